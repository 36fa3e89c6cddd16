//! Lists by key in one array, such as the clients of each group.
//!
//! The rows of a reply name few keys, again and again, each row other ones. Elements put into their lists at once would go to
//! another hash each, each of which would have to grow, and all of which together are larger than the processor's cache. So
//! it is noted first which rows a list has, and then one list after the other is made, in its final size. The strings are made
//! then too: those of a list lie next to each other, so that whoever walks through it, or destroys it, finds them there.

use ext_php_rs::types::Zval;

use super::array::Key;
use super::{ArrayBuilder, HashBuilder, PhpString};

/// How many names are remembered.
const PLACES: usize = 256;
/// How many places are looked at.
const NEXT: usize = 8;

/// An array of arrays under construction, in the order in which their keys come first.
pub struct Lists {
    /// The number of the list for each key.
    numbers: ArrayBuilder,
    /// For each list, the numbers of its ids.
    lists: Vec<Vec<u32>>,
    ids: Vec<Id>,
    /// The texts of all ids.
    texts: Vec<u8>,
    known: Box<[Option<Known>; PLACES]>,
}

/// What named a list, and the list's number.
struct Known {
    name: PhpString,
    list: usize,
}

/// What goes into lists, as key and value.
enum Id {
    /// Where its text begins.
    Text { start: usize, len: usize },
    /// An integer.
    Int(i64),
}

impl Lists {
    /// No list yet.
    pub fn new() -> Self {
        Self {
            numbers: ArrayBuilder::with_capacity(32),
            lists: Vec::new(),
            ids: Vec::new(),
            texts: Vec::new(),
            known: Box::new([const { None }; PLACES]),
        }
    }

    /// Begins with the next id, a text. What PHP takes for an integer as a key becomes one.
    #[inline]
    pub fn text(&mut self, text: &[u8]) {
        self.ids.push(Id::Text { start: self.texts.len(), len: text.len() });
        self.texts.extend_from_slice(text);
    }

    /// Begins with the next id, an integer.
    pub fn int(&mut self, number: i64) {
        self.ids.push(Id::Int(number));
    }

    /// Sets `all[name][id] = id` for the id that was begun with. A decimal integer in the name is an integer key, as everywhere
    /// in PHP.
    #[inline]
    pub fn set_named(&mut self, name: &[u8]) {
        let list = self.list_named(name);
        self.put(list);
    }

    /// Sets `all[key][id] = id` for the id that was begun with.
    pub fn set(&mut self, key: Key<'_>) {
        let list = self.list(key);
        self.put(list);
    }

    /// All lists as one zval.
    pub fn into_zval(self) -> Zval {
        let Self { mut numbers, lists, ids, texts, .. } = self;
        let mut made: Vec<Zval> = Vec::new();
        made.resize_with(ids.len(), Zval::new);
        let mut lists = lists.into_iter();
        // The lists are numbered in the order of their keys.
        numbers.replace_each(|| {
            let members = lists.next().unwrap_or_default();
            let mut list = HashBuilder::with_room(members.len());
            for member in members {
                let id = &mut made[member as usize];
                if id.is_null() {
                    match ids[member as usize] {
                        Id::Text { start, len } => {
                            *id = PhpString::hashed(&texts[start..start + len]).into_zval();
                        }
                        Id::Int(number) => id.set_long(number),
                    }
                }
                list.set_itself(id);
            }
            list.into_zval()
        });
        numbers.into_zval()
    }

    #[inline]
    fn put(&mut self, list: usize) {
        // More ids than that would not fit into memory.
        if let Some(id) = self.ids.len().checked_sub(1).and_then(|id| u32::try_from(id).ok()) {
            self.lists[list].push(id);
        }
    }

    #[inline]
    fn list_named(&mut self, name: &[u8]) -> usize {
        let first = place(name);
        // Where another name has the place, the next ones are for this one.
        for place in first..first + NEXT {
            match &self.known[place % PLACES] {
                Some(known) if known.name.as_bytes() == name => return known.list,
                Some(_) => {}
                None => return self.meet(name, place % PLACES),
            }
        }
        self.meet(name, first)
    }

    #[cold]
    fn meet(&mut self, name: &[u8], place: usize) -> usize {
        let list = self.list(Key::from(name));
        self.known[place] = Some(Known { name: PhpString::new(name), list });
        list
    }

    fn list(&mut self, key: Key<'_>) -> usize {
        if let Some(number) = self.numbers.get_mut(key).and_then(|number| number.long()) {
            return number as usize;
        }
        let list = self.lists.len();
        let mut number = Zval::new();
        number.set_long(list as i64);
        self.numbers.set_key(key, number);
        self.lists.push(Vec::new());
        list
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
