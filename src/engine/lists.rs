//! Lists by key in one array, such as the clients of each group.
//!
//! The rows of a reply name few keys, again and again, each row other ones. Elements put into their lists at once would go to
//! another hash each, each of which would have to grow, and all of which together are larger than the processor's cache. So
//! it is noted first which rows a list has, and then one list after the other is made, in its final size. The strings are made
//! then too: those of a list lie next to each other, so that whoever walks through it, or destroys it, finds them there.

#![allow(unsafe_code)]

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use ext_php_rs::types::Zval;

use super::array::Key;
use super::{ArrayBuilder, HashBuilder, PhpString};

/// How many names are remembered.
const PLACES: usize = 256;
/// How many places are looked at.
const NEXT: usize = 8;

thread_local! {
    /// The notes of lists that are being made. They are the thread's, and not those of whoever makes the lists: where memory runs
    /// out the engine jumps out of the call, and what that holds is never dropped. Without a destructor: PHP code may call us
    /// when those of a thread have run.
    static NOTES: ManuallyDrop<RefCell<Vec<Box<Notes>>>> = const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// Frees the notes of lists that were never finished, see [`NOTES`].
///
/// # Safety
/// No lists are being made on this thread, or whoever makes them is never returned to.
pub unsafe fn forget() {
    NOTES.with(|notes| notes.take());
}

/// An array of arrays under construction, in the order in which their keys come first.
pub struct Lists {
    /// The number of the list for each key.
    numbers: ArrayBuilder,
    notes: NonNull<Notes>,
}

/// What lists will be made of. Nothing in it has a destructor that calls the engine: it may be freed after the request.
struct Notes {
    /// For each list, the numbers of its ids.
    lists: Vec<Vec<u32>>,
    ids: Vec<Id>,
    /// The texts of all ids.
    texts: Vec<u8>,
    /// The ids that are made already, null where one is not. The references are given back when all lists are made.
    made: Vec<ManuallyDrop<Zval>>,
    known: [Option<Known>; PLACES],
    /// The names that are known, one after the other.
    names: Vec<u8>,
}

/// What named a list, and the list's number.
struct Known {
    name: Text,
    list: usize,
}

/// A place in some bytes.
#[derive(Clone, Copy)]
struct Text {
    start: usize,
    len: usize,
}

impl Text {
    #[inline]
    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..self.start + self.len]
    }

    #[inline]
    fn push(to: &mut Vec<u8>, text: &[u8]) -> Self {
        let start = to.len();
        to.extend_from_slice(text);
        Self { start, len: text.len() }
    }
}

/// What goes into lists, as key and value.
enum Id {
    Text(Text),
    Int(i64),
}

impl Lists {
    /// No list yet.
    pub fn new() -> Self {
        let numbers = ArrayBuilder::with_capacity(32);
        let mut notes = Box::new(Notes {
            lists: Vec::new(),
            ids: Vec::new(),
            texts: Vec::new(),
            made: Vec::new(),
            known: [const { None }; PLACES],
            names: Vec::new(),
        });
        let place = NonNull::from(&mut *notes);
        NOTES.with(|all| all.borrow_mut().push(notes));
        Self { numbers, notes: place }
    }

    /// Begins with the next id, a text. What PHP takes for an integer as a key becomes one.
    #[inline]
    pub fn text(&mut self, text: &[u8]) {
        let notes = self.notes();
        let text = Text::push(&mut notes.texts, text);
        notes.ids.push(Id::Text(text));
    }

    /// Begins with the next id, an integer.
    pub fn int(&mut self, number: i64) {
        self.notes().ids.push(Id::Int(number));
    }

    /// Sets `all[name][id] = id` for the id that was begun with. A decimal integer in the name is an integer key, as everywhere
    /// in PHP.
    #[inline]
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
        let Notes { lists, ids, texts, made, .. } = self.notes();
        made.resize_with(ids.len(), || ManuallyDrop::new(Zval::new()));
        let mut lists = lists.iter();
        // The lists are numbered in the order of their keys.
        numbers.replace_each(|| {
            let members = lists.next().map_or(&[][..], Vec::as_slice);
            let mut list = HashBuilder::with_room(members.len());
            for member in members {
                let id = &mut made[*member as usize];
                if id.is_null() {
                    **id = match ids[*member as usize] {
                        Id::Text(text) => PhpString::hashed(text.of(texts)).into_zval(),
                        Id::Int(number) => {
                            let mut value = Zval::new();
                            value.set_long(number);
                            value
                        }
                    };
                }
                list.set_itself(id);
            }
            list.into_zval()
        });
        for id in made.drain(..) {
            drop(ManuallyDrop::into_inner(id));
        }
        numbers.into_zval()
    }

    #[inline]
    fn notes(&mut self) -> &mut Notes {
        // SAFETY: the notes are in the thread's list, in a box of their own, until this is dropped, or until forget(), whose
        // caller says that this is not used any more. Nobody else has the pointer, and this type cannot go to another thread.
        unsafe { self.notes.as_mut() }
    }

    #[inline]
    fn list_named(&mut self, name: &[u8]) -> usize {
        let notes = self.notes();
        let first = place(name);
        // Where another name has the place, the next ones are for this one.
        for place in first..first + NEXT {
            match &notes.known[place % PLACES] {
                Some(known) if known.name.of(&notes.names) == name => return known.list,
                Some(_) => {}
                None => return self.meet(name, place % PLACES),
            }
        }
        self.list(Key::from(name))
    }

    #[cold]
    fn meet(&mut self, name: &[u8], place: usize) -> usize {
        let list = self.list(Key::from(name));
        let notes = self.notes();
        let name = Text::push(&mut notes.names, name);
        notes.known[place] = Some(Known { name, list });
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
        let place = self.notes.as_ptr().cast_const();
        NOTES.with(|all| all.borrow_mut().retain(|notes| !std::ptr::eq(&raw const **notes, place)));
    }
}

impl Notes {
    /// Notes the last id for a list.
    #[inline]
    fn put(&mut self, list: usize) {
        // More ids than that would not fit into memory.
        if let Some(id) = self.ids.len().checked_sub(1).and_then(|id| u32::try_from(id).ok()) {
            self.lists[list].push(id);
        }
    }
}

/// Where the list of a name is remembered: by its length and its last eight bytes, in which numbered names differ.
#[inline]
fn place(name: &[u8]) -> usize {
    let end = match name.last_chunk::<8>() {
        Some(end) => u64::from_le_bytes(*end),
        None => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(start), Some(end)) => {
                u64::from(u32::from_le_bytes(*start)) << 32 | u64::from(u32::from_le_bytes(*end))
            }
            _ => name.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        },
    };
    // Fibonacci hashing: the high bits of the product depend on all bits of the number.
    ((end ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize % PLACES
}
