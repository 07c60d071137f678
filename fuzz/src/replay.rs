//! For plain tests: runs a target's body over its seeds and over mutants of them, the same mutants in every run.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// Runs `body` over the seeds in `fuzz/seeds/<target>`, over `more`, and over `mutants` mutants of all of them,
/// into which words of `dictionary` are inserted too. `fuzz` is the folder of the fuzz targets.
pub(crate) fn replay(
    fuzz: &Path,
    target: &str,
    more: Vec<Vec<u8>>,
    dictionary: &[&str],
    mutants: usize,
    body: fn(&[u8]),
) {
    let mut seeds = files(&fuzz.join("seeds").join(target));
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds.extend(more);
    for seed in &seeds {
        run(target, body, seed);
    }
    let mut random = Random(0x5eed_0000_0000_0001);
    for _ in 0..mutants {
        let mut input = random.pick(&seeds).clone();
        for _ in 0..=random.below(4) {
            mutate(&mut input, &mut random, &seeds, dictionary);
        }
        run(target, body, &input);
    }
    println!("{target}: {} seeds, {mutants} mutants", seeds.len());
}

fn run(target: &str, body: fn(&[u8]), input: &[u8]) {
    if let Err(why) = catch_unwind(AssertUnwindSafe(|| body(input))) {
        eprintln!("{target}: keep this input as a seed: {:?}", String::from_utf8_lossy(input));
        resume_unwind(why);
    }
}

/// The files of a folder, in the order of their names.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder of seeds");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect()
}

fn mutate(input: &mut Vec<u8>, random: &mut Random, seeds: &[Vec<u8>], dictionary: &[&str]) {
    let at = random.below(input.len() + 1);
    let end = (at + random.below(8)).min(input.len());
    match random.below(8) {
        0 => drop(input.drain(at..end)),
        1 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        2 => {
            let part = input.get(at..end).unwrap_or_default().to_vec();
            insert(input, at, &part.repeat(1 + random.below(3)));
        }
        3 => {
            let other = random.pick(seeds);
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend(other.get(from..).unwrap_or_default());
        }
        4 => insert(input, at, &[u8::try_from(random.below(128)).unwrap_or_default()]),
        5 => {
            let odd = char::from_u32(u32::try_from(random.below(0x1_f000)).unwrap_or_default())
                .unwrap_or('\u{fffd}');
            insert(input, at, odd.encode_utf8(&mut [0; 4]).as_bytes());
        }
        _ => {
            let word = *random.pick(dictionary);
            drop(input.drain(at..end));
            insert(input, at, word.as_bytes());
        }
    }
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}

/// Marsaglia's xorshift: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or_default() % limit
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.below(from.len());
        from.get(at).expect("something to pick from")
    }
}
