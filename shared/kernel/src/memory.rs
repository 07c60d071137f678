//! The memory of one WASM instance: values that are kept between requests.
//!
//! A module that keeps values declares a [`Family`]: the types of keys and values, and the [`Topic`] whose change
//! makes the values stale. A write forgets the values of a topic, so neither the write nor this file has to name the
//! families.
//!
//! Architecture invariant: values are plain data, never a future, a stream or a handle that belongs to a request. A
//! value that could outlive a revocation expires after [`FRESH`]. Every key contains the owner of its value. A value that
//! was read before a write to its topic ended is not kept (see [`Cache::generation`]).

use std::any::{Any, TypeId};
use std::borrow::Borrow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;
use std::time::Duration;

use crate::time::Timestamp;

/// How long a cached row may be used before it is read again, and so the longest time until every instance sees a
/// revocation. The instance that writes sees its own write at once.
pub const FRESH: Duration = Duration::from_secs(5);

/// The stored data that values were made from. A write to the data of a topic forgets all values of the topic's
/// families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Credentials, and the targets of calls: integrations joined with their credentials.
    Credentials,
    /// Integrations and their catalogue entries.
    Integrations,
    /// API keys.
    Keys,
    /// Data that no write changes: values of this topic only expire.
    Unchanging,
}

/// A family of kept values.
pub trait Family: 'static {
    /// The key of a value. It must contain the value's owner.
    type Key: Eq + Hash;
    /// The value.
    type Value: Clone;
    /// The data whose change makes the values stale.
    const TOPIC: Topic;

    /// Returns about how many bytes key and value take beside their own size: the length of their texts. What peers or
    /// callers choose the length of must be counted, because the memory's budget is in bytes.
    fn bytes(key: &Self::Key, value: &Self::Value) -> usize;
}

/// The memory of one instance. A runtime creates one per instance and hands it to the [`Ports`](crate::ports::Ports)
/// of every request.
#[derive(Default)]
pub struct Memory {
    parts: RefCell<HashMap<TypeId, Rc<dyn Any>>>,
    caches: RefCell<Vec<(Topic, Rc<dyn Clear>)>>,
}

impl Memory {
    /// Returns the cache of the family `F`. The first call creates the cache.
    pub fn cache<F: Family>(&self) -> Rc<Cache<F::Key, F::Value>> {
        if let Some(cache) = self.part::<F, Cache<F::Key, F::Value>>() {
            return cache;
        }
        let cache = Rc::new(Cache::<F::Key, F::Value>::new(F::bytes));
        self.parts.borrow_mut().insert(TypeId::of::<F>(), Rc::clone(&cache) as Rc<dyn Any>);
        self.caches.borrow_mut().push((F::TOPIC, Rc::clone(&cache) as Rc<dyn Clear>));
        cache
    }

    /// Returns the only `T` of this instance: a value that requests share, such as a queue. The first call creates it.
    pub fn one<T: Default + 'static>(&self) -> Rc<T> {
        if let Some(one) = self.part::<T, T>() {
            return one;
        }
        let one = Rc::<T>::default();
        self.parts.borrow_mut().insert(TypeId::of::<T>(), Rc::clone(&one) as Rc<dyn Any>);
        one
    }

    /// Forgets all values of the families of `topic`.
    pub fn forget(&self, topic: Topic) {
        for (_, cache) in self.caches.borrow().iter().filter(|(of, _)| *of == topic) {
            cache.clear();
        }
    }

    fn part<Name: 'static, T: 'static>(&self) -> Option<Rc<T>> {
        Rc::clone(self.parts.borrow().get(&TypeId::of::<Name>())?).downcast().ok()
    }
}

trait Clear {
    fn clear(&self);
}

impl<K, V> Clear for Cache<K, V> {
    fn clear(&self) {
        self.generation.set(Generation(self.generation.get().0.wrapping_add(1)));
        self.map.borrow_mut().clear();
    }
}

/// How often a cache was cleared when a read began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Generation(u64);

/// A small map whose entries expire.
pub struct Cache<K, V> {
    map: RefCell<HashMap<K, Entry<V>>>,
    bytes: fn(&K, &V) -> usize,
    generation: Cell<Generation>,
}

struct Entry<V> {
    until: Timestamp,
    bytes: usize,
    value: V,
}

impl<K, V> Cache<K, V> {
    /// Most entries of a cache. A full cache drops its expired entries or, when there is still no room, all of them.
    const CAPACITY: usize = 1024;
    /// Most bytes of a cache, as [`Family::bytes`] counts them: an instance has at most 128 MB on Workers. A value that
    /// would take more than a quarter of them by itself is not kept.
    const BUDGET: usize = 8 * 1024 * 1024;

    fn new(bytes: fn(&K, &V) -> usize) -> Self {
        Self { map: RefCell::default(), bytes, generation: Cell::default() }
    }
}

impl<K: Eq + Hash, V: Clone> Cache<K, V> {
    /// Returns the value of `key`; `None` if there is none or it has expired.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q, now: Timestamp) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.map.borrow().get(key).filter(|entry| now < entry.until).map(|entry| entry.value.clone())
    }

    /// Returns the generation, which [`put`](Self::put) compares. Call this before reading the data that a value is made
    /// from.
    pub fn generation(&self) -> Generation {
        self.generation.get()
    }

    /// Stores `value`, which expires after `ttl`. Stores nothing if the cache was cleared since it had the generation
    /// `read_in`: the value may have been read before the write that cleared the cache.
    pub fn put(&self, read_in: Generation, key: K, value: V, now: Timestamp, ttl: Duration) {
        if read_in != self.generation.get() {
            return;
        }
        let mut map = self.map.borrow_mut();
        map.remove(&key);
        let bytes = (self.bytes)(&key, &value);
        if bytes > Self::BUDGET / 4 {
            return;
        }
        let has_room = |map: &HashMap<K, Entry<V>>| {
            let taken: usize = map.values().map(|entry| entry.bytes).sum();
            map.len() < Self::CAPACITY && taken + bytes <= Self::BUDGET
        };
        if !has_room(&map) {
            map.retain(|_, entry| now < entry.until);
            if !has_room(&map) {
                map.clear();
            }
        }
        map.insert(key, Entry { until: now + ttl, bytes, value });
    }

    /// Forgets one entry.
    pub fn remove<Q: Eq + Hash + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        self.map.borrow_mut().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Numbers;
    impl Family for Numbers {
        type Key = u32;
        type Value = u32;
        const TOPIC: Topic = Topic::Integrations;

        fn bytes(_: &u32, _: &u32) -> usize {
            0
        }
    }

    struct Others;
    impl Family for Others {
        type Key = u32;
        type Value = u32;
        const TOPIC: Topic = Topic::Credentials;

        fn bytes(_: &u32, _: &u32) -> usize {
            0
        }
    }

    const START: Timestamp = Timestamp::from_millis(0);

    #[test]
    fn entries_expire_and_the_map_stays_small() {
        let cache = Cache::<u32, u32>::new(Numbers::bytes);
        for key in 0..5000 {
            cache.put(Generation::default(), key, key, START, FRESH);
        }
        assert!(cache.map.borrow().len() <= Cache::<u32, u32>::CAPACITY);
        assert_eq!(cache.get(&4999, START), Some(4999));
        assert_eq!(cache.get(&4999, START + FRESH), None);
        cache.remove(&4999);
        assert_eq!(cache.get(&4999, START), None);
    }

    struct Texts;
    impl Family for Texts {
        type Key = String;
        type Value = Rc<str>;
        const TOPIC: Topic = Topic::Integrations;

        fn bytes(key: &String, value: &Rc<str>) -> usize {
            key.len() + value.len()
        }
    }

    #[test]
    fn what_a_cache_keeps_stays_within_its_budget_in_bytes() {
        const BUDGET: usize = Cache::<String, Rc<str>>::BUDGET;
        let memory = Memory::default();
        let cache = memory.cache::<Texts>();
        let large: Rc<str> = "x".repeat(BUDGET / 8).into();
        for key in 0..100 {
            cache.put(Generation::default(), key.to_string(), Rc::clone(&large), START, FRESH);
            assert!(cache.get(key.to_string().as_str(), START).is_some(), "the newest value is kept");
            let kept: usize =
                cache.map.borrow().iter().map(|(key, entry)| Texts::bytes(key, &entry.value)).sum();
            assert!(kept <= BUDGET, "{kept}");
        }
        assert!(cache.map.borrow().len() > 1);
        let long_key = "k".repeat(BUDGET / 5);
        cache.put(Generation::default(), long_key.clone(), Rc::clone(&large), START, FRESH);
        assert!(cache.get(long_key.as_str(), START).is_none(), "the key counts, too");
        cache.put(Generation::default(), "a".to_owned(), Rc::clone(&large), START, FRESH);
        for _ in 0..100 {
            cache.put(Generation::default(), "b".to_owned(), Rc::clone(&large), START, FRESH);
        }
        assert!(cache.get("a", START).is_some(), "a value that is replaced does not count");
        cache.put(Generation::default(), "a".to_owned(), "x".repeat(BUDGET).into(), START, FRESH);
        assert!(cache.get("a", START).is_none(), "the old value is stale, the new one too large");
        assert!(cache.get("b", START).is_some());
    }

    #[test]
    fn families_of_the_same_types_stay_apart_and_forgetting_a_topic_clears_its_families_only() {
        let memory = Memory::default();
        memory.cache::<Numbers>().put(Generation::default(), 1, 10, START, FRESH);
        memory.cache::<Others>().put(Generation::default(), 1, 20, START, FRESH);
        assert_eq!(memory.cache::<Numbers>().get(&1, START), Some(10));
        memory.forget(Topic::Integrations);
        assert_eq!(memory.cache::<Numbers>().get(&1, START), None);
        assert_eq!(memory.cache::<Others>().get(&1, START), Some(20));
    }

    #[test]
    fn a_value_that_was_read_before_its_topic_was_forgotten_is_not_kept() {
        let memory = Memory::default();
        let cache = memory.cache::<Numbers>();
        let (before, elsewhere) = (cache.generation(), memory.cache::<Others>().generation());
        memory.forget(Topic::Integrations);
        cache.put(before, 1, 10, START, FRESH);
        assert_eq!(cache.get(&1, START), None);
        cache.put(cache.generation(), 1, 11, START, FRESH);
        assert_eq!(cache.get(&1, START), Some(11));
        memory.cache::<Others>().put(elsewhere, 1, 20, START, FRESH);
        assert_eq!(memory.cache::<Others>().get(&1, START), Some(20), "another topic");
    }

    #[test]
    fn an_instance_has_one_value_of_a_type() {
        let memory = Memory::default();
        memory.one::<std::cell::Cell<u32>>().set(7);
        assert_eq!(memory.one::<std::cell::Cell<u32>>().get(), 7);
    }
}
