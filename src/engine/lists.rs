//! Lists by key in one array, such as the clients of each group.
//!
//! The rows of a reply name few keys, again and again, each row other ones. Elements put into their
//! lists at once would go to another hash each, each of which would have to grow, and all of which
//! together are larger than the processor's cache. So it is noted first which rows a list has, and
//! then one list after the other is made, in its final size.
//!
//! The strings are made then too, each for the last list that it is in, the last one first: just as
//! they will be given back when the array is destroyed, but the other way round. The engine hands
//! out its memory in this order again, and the next array finds one piece of it behind the other,
//! where it would otherwise find them scattered, and wait for each.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use ext_php_rs::ffi::zend_string;
use ext_php_rs::types::Zval;
use gatewayworker_client::wire::php::value::integer_key;

use super::array::ArrayBuilder;
use super::hash_table::HashBuilder;
use super::key::Key;
use super::string::PhpString;

/// How many names are remembered.
const PLACES: usize = 256;
/// How many places are looked at.
const NEXT: usize = 8;

thread_local! {
    /// The notes of lists that are being made. They are the thread's, and not those of whoever
    /// makes the lists: where memory runs out the engine jumps out of the call, and what that holds
    /// is never dropped. Without a destructor: PHP code may call us when those of a thread have
    /// run.
    static NOTES: ManuallyDrop<RefCell<Vec<NonNull<Notes>>>> =
        const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// Frees the notes of lists that were never finished, see [`NOTES`].
///
/// # Safety
/// No lists are being made on this thread, or whoever makes them is never returned to.
pub unsafe fn forget() {
    for notes in NOTES.with(|notes| notes.take()) {
        // SAFETY: it comes from a box, see Lists::new(), and as the caller says nobody uses it any
        // more.
        drop(unsafe { Box::from_raw(notes.as_ptr()) });
    }
}

/// An array of arrays under construction, in the order in which their keys come first.
pub struct Lists {
    /// The number of the list for each key.
    numbers: ArrayBuilder,
    notes: NonNull<Notes>,
}

/// What lists will be made of. Nothing in it has a destructor that calls the engine: it may be
/// freed after the request.
struct Notes {
    /// For each list, the numbers of its ids.
    lists: Vec<Vec<u32>>,
    ids: Vec<Id>,
    /// The texts of all ids.
    texts: Vec<u8>,
    known: [Option<Known>; PLACES],
    /// The names that are known, one after the other.
    names: Vec<u8>,
}

/// What goes into lists, as key and value.
enum Id {
    Int(i64),
    /// A text, and how many lists it is in.
    Text(Text, u32),
    /// A string and its hash. It has two references for each list.
    String(*mut zend_string, u64),
    /// A string that PHP takes for this integer as a key. It has a reference for each list.
    Numeric(*mut zend_string, i64),
}

/// What named a list, and the list's number.
struct Known {
    ends: Ends,
    name: Text,
    list: usize,
}

/// A place in some bytes.
#[derive(Clone, Copy)]
struct Text {
    start: usize,
    len: u32,
}

impl Text {
    /// A reply announces its length in 32 bits: no text in it can be too long.
    #[inline]
    fn push(to: &mut Vec<u8>, text: &[u8]) -> Self {
        let start = to.len();
        to.extend_from_slice(text);
        Self { start, len: text.len() as u32 }
    }

    #[inline]
    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..self.start + self.len as usize]
    }
}

impl Lists {
    /// No list yet.
    pub fn new() -> Self {
        let numbers = ArrayBuilder::with_capacity(32);
        let notes = NonNull::from(Box::leak(Box::new(Notes {
            lists: Vec::new(),
            ids: Vec::new(),
            texts: Vec::new(),
            known: [const { None }; PLACES],
            names: Vec::new(),
        })));
        NOTES.with(|all| all.borrow_mut().push(notes));
        Self { numbers, notes }
    }

    /// Begins with the next id, a text. What PHP takes for an integer as a key becomes one.
    #[inline]
    pub fn text(&mut self, text: &[u8]) {
        let notes = self.notes();
        let text = Text::push(&mut notes.texts, text);
        notes.ids.push(Id::Text(text, 0));
    }

    /// Begins with the next id, an integer.
    pub fn int(&mut self, number: i64) {
        self.notes().ids.push(Id::Int(number));
    }

    /// Sets `all[name][id] = id` for the id that was begun with. A decimal integer in the name is
    /// an integer key, as everywhere in PHP.
    pub fn set_named(&mut self, name: &[u8]) {
        let list = self.list_named(name);
        self.notes().put(list);
    }

    /// Sets `all[key][id] = id` for the id that was begun with.
    pub fn set(&mut self, key: Key<'_>) {
        let list = self.list(key);
        self.notes().put(list);
    }

    /// All lists as one zval.
    pub fn into_zval(mut self) -> Zval {
        let mut numbers = std::mem::replace(&mut self.numbers, ArrayBuilder::with_capacity(0));
        let notes = self.notes();
        // The lists are numbered in the order of their keys.
        let mut number = notes.lists.len();
        numbers.replace_each_backwards(|| {
            number -= 1;
            notes.list(number)
        });
        numbers.into_zval()
    }

    #[inline]
    fn notes(&mut self) -> &mut Notes {
        // SAFETY: the notes are there until this is dropped, or until forget(), whose caller says
        // that this is not used any more. Nobody else uses the pointer, and this type cannot go to
        // another thread.
        unsafe { self.notes.as_mut() }
    }

    #[inline]
    fn list_named(&mut self, name: &[u8]) -> usize {
        let notes = self.notes();
        let ends = Ends::of(name);
        // Where another name has the place, the next ones are for this one.
        for place in ends.place()..ends.place() + NEXT {
            match &notes.known[place % PLACES] {
                Some(known)
                    if known.ends == ends && (ends.are_all() || known.name.of(&notes.names) == name) =>
                {
                    return known.list;
                }
                Some(_) => {}
                None => return self.meet(ends, name, place % PLACES),
            }
        }
        self.list(Key::from(name))
    }

    #[cold]
    fn meet(&mut self, ends: Ends, name: &[u8], place: usize) -> usize {
        let list = self.list(Key::from(name));
        let notes = self.notes();
        let name = Text::push(&mut notes.names, name);
        notes.known[place] = Some(Known { ends, name, list });
        list
    }

    fn list(&mut self, key: Key<'_>) -> usize {
        if let Some(number) = self.numbers.get_mut(key).and_then(|number| number.long()) {
            return number as usize;
        }
        let list = self.notes().lists.len();
        let mut number = Zval::new();
        number.set_long(list as i64);
        self.numbers.set_key(key, number);
        self.notes().lists.push(Vec::new());
        list
    }
}

impl Drop for Lists {
    fn drop(&mut self) {
        NOTES.with(|all| all.borrow_mut().retain(|notes| *notes != self.notes));
        // SAFETY: it comes from a box, see new(), and is in no list any more that forget() would
        // free.
        drop(unsafe { Box::from_raw(self.notes.as_ptr()) });
    }
}

impl Notes {
    /// Notes the last id for a list.
    #[inline]
    fn put(&mut self, list: usize) {
        let number = self.ids.len().wrapping_sub(1);
        let Some(id) = self.ids.get_mut(number) else { return };
        if let Id::Text(_, lists) = id {
            *lists += 1;
        }
        // More ids than that would not fit into memory.
        self.lists[list].push(number as u32);
    }

    /// Makes the list of this number. Each is made once, and the last one first, as said above.
    fn list(&mut self, number: usize) -> Zval {
        let members = &self.lists[number];
        for member in members.iter().rev() {
            let id = &mut self.ids[*member as usize];
            if let Id::Text(text, lists) = id {
                *id = Id::made(text.of(&self.texts), *lists);
            }
        }
        let mut list = HashBuilder::with_room(members.len());
        for member in members {
            let id = &self.ids[*member as usize];
            // Nearly all are strings.
            if let Id::String(string, hash) = *id {
                // SAFETY: it was made by hashed(), and has two references for each list, of which
                // these are two.
                let (key, value) =
                    unsafe { (PhpString::from_owned(string), PhpString::counted_zval(string)) };
                if let Some(key) = key {
                    list.set_hashed(hash, key, value);
                }
                continue;
            }
            match *id {
                Id::Int(number) => {
                    let mut value = Zval::new();
                    value.set_long(number);
                    list.set_int(number, value);
                }
                // SAFETY: it was made by hashed(), and has a reference for each list, of which this
                // is one.
                Id::Numeric(string, key) => list.set_int(key, unsafe { PhpString::counted_zval(string) }),
                Id::Text(..) | Id::String(..) => {}
            }
        }
        list.into_zval()
    }
}

impl Id {
    /// The string of a text that is in so many lists.
    #[inline]
    fn made(text: &[u8], lists: u32) -> Self {
        let string = PhpString::hashed(text);
        // SAFETY: it was made just now, by hashed(), and whoever makes it has it in a list already.
        unsafe {
            match integer_key(text) {
                Some(key) => Self::Numeric(string.into_references(lists), key),
                None => {
                    let hash = string.hash();
                    Self::String(string.into_references(2 * lists), hash)
                }
            }
        }
    }
}

/// The ends of a name, by which it is looked for: most names are short, and those that are not
/// differ there.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends {
    len: usize,
    /// The first eight bytes, and the last. Where there are fewer, all of them in some way.
    first: u64,
    last: u64,
}

impl Ends {
    #[inline]
    fn of(name: &[u8]) -> Self {
        let (first, last) = match (name.first_chunk(), name.last_chunk()) {
            (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
            _ => match (name.first_chunk(), name.last_chunk()) {
                (Some(first), Some(last)) => {
                    (0, u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)))
                }
                _ => (0, name.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))),
            },
        };
        Self { len: name.len(), first, last }
    }

    /// Whether there is nothing between them.
    #[inline]
    fn are_all(self) -> bool {
        self.len <= 16
    }

    /// Where a name with these ends is remembered, or soon behind.
    #[inline]
    fn place(self) -> usize {
        // Fibonacci hashing: the high bits of the product depend on all bits of the number.
        ((self.last ^ self.len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % PLACES
    }
}
