//! Lists by key in one array, such as the clients of each group.
//!
//! The rows of a reply name few keys, again and again, each row other ones. Elements put into their lists at once would go to
//! another hash each, each of which would have to grow, and all of which together are larger than the processor's cache. So
//! the elements of each list are noted first, and then one list after the other is made, in its final size.

use ext_php_rs::types::Zval;

use super::array::Key;
use super::hash_table::{Element, Id};
use super::{ArrayBuilder, HashBuilder, PhpString};

/// How many names are remembered.
const PLACES: usize = 256;
/// How many places are looked at.
const NEXT: usize = 8;

/// An array of arrays under construction, in the order in which their keys come first.
pub struct Lists {
    /// The number of the list for each key.
    numbers: ArrayBuilder,
    /// The elements of each list.
    lists: Vec<Vec<Element>>,
    known: Box<[Option<Known>; PLACES]>,
}

/// What named a list, and the list's number.
struct Known {
    name: PhpString,
    list: usize,
}

impl Lists {
    /// No list yet.
    pub fn new() -> Self {
        let known = Box::new([const { None }; PLACES]);
        Self { numbers: ArrayBuilder::with_capacity(32), lists: Vec::new(), known }
    }

    /// Sets `all[name][id] = id`. A decimal integer in the name is an integer key, as everywhere in PHP.
    #[inline]
    pub fn set_named(&mut self, name: &[u8], id: &Id) {
        let list = self.list_named(name);
        self.lists[list].push(id.element());
    }

    /// Sets `all[key][id] = id`.
    pub fn set(&mut self, key: Key<'_>, id: &Id) {
        let list = self.list(key);
        self.lists[list].push(id.element());
    }

    /// All lists as one zval.
    pub fn into_zval(self) -> Zval {
        let Self { mut numbers, lists, .. } = self;
        let mut lists = lists.into_iter();
        // The lists are numbered in the order of their keys.
        numbers.replace_each(|| {
            let elements = lists.next().unwrap_or_default();
            let mut list = HashBuilder::with_room(elements.len());
            for element in elements {
                list.put(element);
            }
            list.into_zval()
        });
        numbers.into_zval()
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
