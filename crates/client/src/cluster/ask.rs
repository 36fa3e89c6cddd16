//! One question to one gateway, or to all of them.

use gatewayworker_wire::client_id::ClientIdPrefix;
use gatewayworker_wire::reply::ReplyError;
use gatewayworker_wire::{ClientId, Command, Head};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::query::answers::Answers;
use crate::query::{self, Question};
use crate::settings::{Absent, Patience};

impl Cluster {
    /// Asks the gateway of a client.
    #[inline]
    pub(crate) fn ask_one(
        &self,
        id: ClientId,
        command: Command,
        patience: Patience,
        mut read: impl FnMut(&[u8]) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        let answers = {
            let gateway = self.members.of_client(id);
            let frame = Head::new(command, id.connection).encode(0, 0)?;
            query::ask(command, &[Question { gateway: &gateway, frame: &frame }], patience)?
        };
        answers.read(|_, payload, _| read(payload))
    }

    /// Asks the gateway of a client with extension data, which is dropped before the answer is read, see [`Answers`].
    pub(crate) fn ask_one_with(
        &self,
        id: ClientId,
        command: Command,
        ext: Vec<u8>,
        patience: Patience,
        mut read: impl FnMut(&[u8]) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        let answers = {
            let gateway = self.members.of_client(id);
            let frame = Head::new(command, 0).frame(&ext, b"")?;
            query::ask(command, &[Question { gateway: &gateway, frame: &frame }], patience)?
        };
        drop(ext);
        answers.read(|_, payload, _| read(payload))
    }

    /// Asks every gateway the same. `read` gets each answer, and how many rows all of them announce together. Extension data
    /// is dropped before, see [`Answers`].
    pub(crate) fn ask_every(
        &self,
        command: Command,
        ext: impl AsRef<[u8]>,
        patience: Patience,
        mut read: impl FnMut(ClientIdPrefix, &[u8], usize) -> Result<(), ReplyError>,
    ) -> Result<(), Error> {
        let answers = self.answers_of_every(command, ext.as_ref(), patience)?;
        drop(ext);
        answers.read(|(ip, port), payload, rows| read(ClientIdPrefix::new(ip, port), payload, rows))
    }

    fn answers_of_every(&self, command: Command, ext: &[u8], patience: Patience) -> Result<Answers, Error> {
        let gateways = self.members.asked();
        // The look-up has told the log already.
        if let Some((name, reason)) = self.members.not_found()
            && (patience.absent == Absent::Fail || gateways.is_empty())
        {
            return Err(Error::Unreachable { gateway: name.into(), reason });
        }
        let frame = Head::new(command, 0).frame(ext, b"")?;
        let questions: Vec<Question<'_>> =
            gateways.iter().map(|gateway| Question { gateway, frame: &frame }).collect();
        let answers = query::ask(command, &questions, patience);
        if answers.as_ref().map_or(0, Answers::len) < questions.len() {
            self.members.doubt_names();
        }
        answers
    }
}
