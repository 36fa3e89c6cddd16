//! The commands of the internal protocol.

mod support;

use gatewayworker_wire::{Command, Head};
use support::{Cluster, Link, TextClient, serialized};

/// A gateway with three clients, in which nothing is bound or joined yet.
fn three() -> (Cluster, Link, TextClient, TextClient, TextClient) {
    let cluster = Cluster::start();
    let (a, b, c) = (cluster.client(), cluster.client(), cluster.client());
    let link = cluster.link();
    (cluster, link, a, b, c)
}

#[test]
fn connection_ids_count_up_from_1_and_stand_in_client_ids() {
    let (cluster, _, a, b, c) = three();
    assert_eq!([a.id, b.id, c.id], [1, 2, 3]);
    let internal = cluster.gateway(0).internal;
    assert_eq!(a.client_id, format!("7f000001{:04x}00000001", internal.port()));
}

#[test]
fn send_to_one_reaches_that_client_alone() {
    let (_cluster, mut link, mut a, mut b, _c) = three();
    link.send(Command::SendToOne, b.id, "", "hello");
    link.send(Command::SendToOne, 999, "", "nobody");
    a.has_got(&mut link, &[]);
    b.has_got(&mut link, &["hello"]);
}

#[test]
fn a_raw_message_goes_out_without_the_end_of_a_line() {
    let (_cluster, mut link, mut a, _b, _c) = three();
    let head = Head { flag: Head::SCALAR | Head::RAW, ..Head::new(Command::SendToOne, a.id) };
    link.send_frame(head, b"", b"ra\nw");
    link.send(Command::SendToOne, a.id, "", "!");
    assert_eq!(a.bytes(6), b"ra\nw!\n");
}

#[test]
fn a_message_that_is_no_scalar_is_kept_from_text_clients() {
    let (_cluster, mut link, mut a, _b, _c) = three();
    let head = Head { flag: 0, ..Head::new(Command::SendToOne, a.id) };
    for body in [&b"a:1:{i:0;i:1;}"[..], b"N;", b"rubbish"] {
        link.send_frame(head, b"", body);
    }
    a.has_got(&mut link, &[]);
}

#[test]
fn send_to_all_honours_lists_and_exclusions() {
    let (_cluster, mut link, mut a, mut b, mut c) = three();
    link.send(Command::SendToAll, 0, "", "all");
    link.send(Command::SendToAll, 0, r#"{"connections":{"1":1,"3":3,"77":77}}"#, "listed");
    link.send(Command::SendToAll, 0, r#"{"exclude":{"1":1,"3":3}}"#, "others");
    link.send(Command::SendToAll, 0, r#"{"connections":[]}"#, "none");
    a.has_got(&mut link, &["all", "listed"]);
    b.has_got(&mut link, &["all", "others"]);
    c.has_got(&mut link, &["all", "listed"]);
}

#[test]
fn kick_sends_the_message_and_then_closes() {
    let (_cluster, mut link, mut a, mut b, mut c) = three();
    link.send(Command::SendToOne, a.id, "", "first");
    link.send(Command::Kick, a.id, "", "bye");
    link.send(Command::Kick, b.id, "", "");
    link.send_frame(Head { flag: 0, ..Head::new(Command::Kick, c.id) }, b"", b"N;");
    assert_eq!([a.line(), a.line()], ["first", "bye"]);
    assert!(a.is_closed());
    assert_eq!(b.line(), "", "an empty message is a message");
    assert!(b.is_closed());
    assert!(c.is_closed());
    assert_eq!(link.query(Command::GetClientCountByGroup, 0, ""), "i:0;");
}

#[test]
fn kick_sends_all_of_a_large_message() {
    let (_cluster, mut link, mut a, _b, _c) = three();
    let large = vec![b'x'; 8 << 20];
    link.send(Command::Kick, a.id, "", &large);
    assert_eq!(a.line().len(), large.len());
    assert!(a.is_closed());
}

#[test]
fn destroy_closes_at_once() {
    let (_cluster, mut link, mut a, _b, _c) = three();
    link.send(Command::Destroy, a.id, "", "");
    assert!(a.is_closed());
    assert_eq!(link.query(Command::IsOnline, a.id, ""), "i:0;");
}

#[test]
fn a_client_is_online_while_it_is_connected() {
    let (cluster, mut link, a, b, _c) = three();
    assert_eq!(link.query(Command::IsOnline, a.id, ""), "i:1;");
    a.close();
    cluster.wait_for("a client to go", |stats| stats["clients"] == 2);
    assert_eq!(link.query(Command::IsOnline, 1, ""), "i:0;");
    assert_eq!(link.query(Command::IsOnline, b.id, ""), "i:1;");
}

#[test]
fn a_uid_has_any_number_of_clients_and_a_client_one_uid() {
    let (_cluster, mut link, mut a, mut b, mut c) = three();
    link.send(Command::BindUid, 2, "ann", "");
    link.send(Command::BindUid, 1, "ann", "");
    link.send(Command::BindUid, 3, "5", "");
    assert_eq!(link.query(Command::GetClientIdByUid, 0, "ann"), "a:2:{i:0;i:2;i:1;i:1;}");
    link.send(Command::SendToUid, 0, r#"["ann",5,"nobody"]"#, "hello");
    for client in [&mut a, &mut b, &mut c] {
        client.has_got(&mut link, &["hello"]);
    }
    link.send(Command::BindUid, 2, "bob", "");
    assert_eq!(link.query(Command::GetClientIdByUid, 0, "ann"), "a:1:{i:0;i:1;}");
    assert_eq!(link.query(Command::GetClientIdByUid, 0, "bob"), "a:1:{i:0;i:2;}");
    // Whichever uid is named, the client loses the one it has.
    link.send(Command::UnbindUid, 1, "bob", "");
    assert_eq!(link.query(Command::GetClientIdByUid, 0, "ann"), "a:0:{}");
    assert_eq!(
        link.query(Command::BatchGetClientIdByUid, 0, r#"["bob",5,"ann"]"#),
        r#"a:3:{s:3:"bob";a:1:{i:0;i:2;}i:5;a:1:{i:0;i:3;}s:3:"ann";a:0:{}}"#
    );
}

#[test]
fn an_empty_uid_or_group_is_refused() {
    let (_cluster, mut link, _a, _b, _c) = three();
    for empty in ["", "0"] {
        link.send(Command::BindUid, 1, empty, "");
        link.send(Command::JoinGroup, 1, empty, "");
        assert_eq!(link.query(Command::GetClientIdByUid, 0, empty), "a:0:{}");
    }
    assert_eq!(link.query(Command::GetGroupIdList, 0, ""), "a:0:{}");
}

#[test]
fn a_group_reaches_its_members_but_those_excluded() {
    let (_cluster, mut link, mut a, mut b, mut c) = three();
    for (id, group) in [(1, "room"), (2, "room"), (2, "7"), (3, "7")] {
        link.send(Command::JoinGroup, id, group, "");
    }
    link.send(Command::SendToGroup, 0, r#"{"group":["room"],"exclude":null}"#, "room");
    link.send(Command::SendToGroup, 0, r#"{"group":["room",7],"exclude":{"1":1}}"#, "both");
    a.has_got(&mut link, &["room"]);
    b.has_got(&mut link, &["room", "both", "both"]);
    c.has_got(&mut link, &["both"]);
    link.send(Command::LeaveGroup, 2, "room", "");
    link.send(Command::LeaveGroup, 3, "room", "");
    link.send(Command::SendToGroup, 0, r#"{"group":["room"],"exclude":null}"#, "left");
    a.has_got(&mut link, &["left"]);
    b.has_got(&mut link, &[]);
}

#[test]
fn groups_are_listed_with_numeric_names_as_ints_and_counted() {
    let (_cluster, mut link, _a, _b, _c) = three();
    for (id, group) in [(1, "room"), (2, "room"), (2, "7"), (3, "007")] {
        link.send(Command::JoinGroup, id, group, "");
    }
    assert_eq!(link.query(Command::GetGroupIdList, 0, ""), r#"a:3:{i:0;s:4:"room";i:1;i:7;i:2;s:3:"007";}"#);
    assert_eq!(link.query(Command::GetClientCountByGroup, 0, "room"), "i:2;");
    assert_eq!(link.query(Command::GetClientCountByGroup, 0, "nobody"), "i:0;");
    assert_eq!(link.query(Command::GetClientCountByGroup, 0, "0"), "i:0;");
    assert_eq!(link.query(Command::GetClientCountByGroup, 0, ""), "i:3;", "the empty group is everybody");
    assert_eq!(
        link.query(Command::BatchGetClientCountByGroup, 0, r#"["room",7,"x"]"#),
        r#"a:3:{s:4:"room";i:2;i:7;i:1;s:1:"x";i:0;}"#
    );
}

#[test]
fn ungroup_lets_all_members_go() {
    let (_cluster, mut link, _a, _b, _c) = three();
    for id in [1, 2] {
        link.send(Command::JoinGroup, id, "room", "");
    }
    link.send(Command::Ungroup, 0, "room", "");
    assert_eq!(link.query(Command::GetGroupIdList, 0, ""), "a:0:{}");
    assert_eq!(
        link.query(Command::Select, 0, r#"{"fields":["groups"],"where":{"connection_id":[1,3]}}"#),
        r#"a:2:{i:1;a:1:{s:6:"groups";a:0:{}}i:3;a:1:{s:6:"groups";N;}}"#
    );
}

#[test]
fn sessions_are_kept_as_the_bytes_they_are() {
    let (_cluster, mut link, _a, _b, _c) = three();
    assert_eq!(link.query(Command::GetSessionByClientId, 1, ""), "a:0:{}");
    assert_eq!(link.query(Command::GetSessionByClientId, 99, ""), "N;");
    link.send(Command::SetSession, 1, "any bytes", "");
    link.send(Command::JoinGroup, 1, "room", "");
    assert_eq!(link.query(Command::GetSessionByClientId, 1, ""), "any bytes");
    assert_eq!(
        link.query(Command::GetAllClientSessions, 0, ""),
        r#"a:3:{i:1;s:9:"any bytes";i:2;s:0:"";i:3;s:0:"";}"#
    );
    assert_eq!(link.query(Command::GetClientSessionsByGroup, 0, "room"), r#"a:1:{i:1;s:9:"any bytes";}"#);
    assert_eq!(link.query(Command::GetClientSessionsByGroup, 0, "nobody"), "a:0:{}");
}

#[test]
fn updating_a_session_merges_it() {
    let (_cluster, mut link, _a, _b, _c) = three();
    let first = serialized(r#"a:1:{s:1:"a";a:2:{s:1:"x";i:1;s:1:"y";i:2;}}"#);
    link.send(Command::UpdateSession, 1, &first, "");
    assert_eq!(link.query(Command::GetSessionByClientId, 1, ""), first);
    link.send(Command::UpdateSession, 1, serialized(r#"a:2:{s:1:"a";a:1:{s:1:"x";i:9;}i:5;N;}"#), "");
    let merged = r#"a:2:{s:1:"a";a:2:{s:1:"x";i:9;s:1:"y";i:2;}i:5;N;}"#;
    assert_eq!(link.query(Command::GetSessionByClientId, 1, ""), merged);
    link.send(Command::UpdateSession, 1, "i:1;", "");
    assert_eq!(link.query(Command::GetSessionByClientId, 1, ""), merged, "what is no array is not merged");
}

#[test]
fn select_gives_the_fields_of_whoever_meets_a_condition() {
    let (_cluster, mut link, _a, _b, _c) = three();
    link.send(Command::BindUid, 1, "5", "");
    link.send(Command::BindUid, 2, "ann", "");
    link.send(Command::JoinGroup, 2, "7", "");
    link.send(Command::JoinGroup, 3, "room", "");
    link.send(Command::SetSession, 3, "a:0:{}", "");
    let mut select = |ext: &str| link.query(Command::Select, 0, ext);
    assert_eq!(
        select(r#"{"fields":["uid","groups","session"],"where":[]}"#),
        concat!(
            r#"a:3:{i:1;a:3:{s:3:"uid";s:1:"5";s:6:"groups";N;s:7:"session";s:0:"";}"#,
            r#"i:2;a:3:{s:3:"uid";s:3:"ann";s:6:"groups";a:1:{i:7;s:1:"7";}s:7:"session";s:0:"";}"#,
            r#"i:3;a:3:{s:3:"uid";N;s:6:"groups";a:1:{s:4:"room";s:4:"room";}s:7:"session";s:6:"a:0:{}";}}"#,
        )
    );
    assert_eq!(
        select(r#"{"fields":["uid"],"where":{"groups":["room",7],"uid":[5,"ann"]}}"#),
        r#"a:3:{i:3;a:1:{s:3:"uid";N;}i:2;a:1:{s:3:"uid";s:3:"ann";}i:1;a:1:{s:3:"uid";s:1:"5";}}"#
    );
    assert_eq!(
        select(r#"{"fields":["uid"],"where":{"connection_id":{"2":2,"99":99}}}"#),
        r#"a:1:{i:2;a:1:{s:3:"uid";s:3:"ann";}}"#
    );
    assert_eq!(select(r#"{"fields":["uid"],"where":{"connection_id":[]}}"#), "a:0:{}");
    assert_eq!(select("rubbish"), "a:0:{}");
}

#[test]
fn a_client_that_goes_leaves_uid_and_groups() {
    let (cluster, mut link, a, _b, _c) = three();
    link.send(Command::BindUid, 1, "ann", "");
    link.send(Command::JoinGroup, 1, "room", "");
    link.fence();
    a.close();
    cluster.wait_for("a client to go", |stats| stats["clients"] == 2);
    assert_eq!(link.query(Command::GetClientIdByUid, 0, "ann"), "a:0:{}");
    assert_eq!(link.query(Command::GetGroupIdList, 0, ""), "a:0:{}");
}

#[test]
fn replies_keep_the_order_of_queries() {
    let (_cluster, mut link, _a, _b, _c) = three();
    for round in 0..1000 {
        link.send(Command::IsOnline, if round % 3 == 0 { 1 } else { 99 }, "", "");
    }
    for round in 0..1000 {
        assert_eq!(link.reply(), if round % 3 == 0 { b"i:1;" } else { b"i:0;" });
    }
}

#[test]
fn a_frame_may_arrive_in_any_pieces() {
    use std::io::Write;
    let (_cluster, mut link, mut a, _b, _c) = three();
    for byte in Head::new(Command::SendToOne, a.id).frame(b"", b"piecemeal").expect("it fits") {
        link.0.write_all(&[byte]).expect("the gateway reads");
    }
    a.has_got(&mut link, &["piecemeal"]);
}

#[test]
fn an_unknown_command_is_passed_over() {
    let (_cluster, mut link, _a, _b, _c) = three();
    for command in [77, Command::Ping as u8, Command::OnMessage as u8] {
        link.send_frame(Head { command, ..Head::new(Command::Ping, 0) }, b"", b"");
    }
    assert_eq!(link.query(Command::IsOnline, 1, ""), "i:1;");
}

#[test]
fn a_bad_frame_closes_its_connection_and_no_other() {
    use std::io::Write;
    let (cluster, mut link, _a, _b, _c) = three();
    for bad in [&[0, 0, 0, 27][..], &[0xff; 4]] {
        let mut other = cluster.link();
        other.0.write_all(bad).expect("the gateway reads");
        assert!(other.is_closed());
    }
    assert_eq!(link.query(Command::IsOnline, 1, ""), "i:1;");
}

#[test]
fn a_slow_client_holds_up_nobody() {
    let (_cluster, mut link, mut a, mut b, _c) = three();
    let large = vec![b'x'; 1 << 20];
    for _ in 0..50 {
        link.send(Command::SendToOne, a.id, "", &large);
    }
    b.has_got(&mut link, &[]);
    for _ in 0..50 {
        assert_eq!(a.line().len(), large.len());
    }
}
