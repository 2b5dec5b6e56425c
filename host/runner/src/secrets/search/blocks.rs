//! Words of a few bytes, looked up at every place of a text.

use std::collections::HashMap;

/// How many bits of the filter there are for each word.
const SPARSE: usize = 32;

/// The smallest filter, in bits as a power of two: 8 KiB stay in the processor's cache.
const SMALLEST: u32 = 16;

/// The word of a needle, and where in the needle it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) needle: u32,
    pub(super) offset: usize,
}

/// Words by which needles are found. Nothing has to be built again when one is added.
#[derive(Debug)]
pub(super) struct Blocks {
    /// A bit for each word, by its hash: most places of a text are ruled out by it.
    filter: Vec<u64>,
    bits: u32,
    anchors: HashMap<u64, Vec<Anchor>>,
}

impl Default for Blocks {
    fn default() -> Self {
        Self {
            filter: vec![0; 1 << (SMALLEST - 6)],
            bits: SMALLEST,
            anchors: HashMap::new(),
        }
    }
}

impl Blocks {
    pub(super) fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// How many needles a word stands for.
    pub(super) fn load(&self, word: u64) -> usize {
        self.anchors.get(&word).map_or(0, Vec::len)
    }

    pub(super) fn insert(&mut self, word: u64, anchor: Anchor) {
        self.anchors.entry(word).or_default().push(anchor);
        if self.anchors.len() * SPARSE > 1 << self.bits {
            self.bits += 1;
            self.filter = vec![0; 1 << (self.bits - 6)];
            let words: Vec<u64> = self.anchors.keys().copied().collect();
            for word in words {
                self.mark(word);
            }
        } else {
            self.mark(word);
        }
    }

    /// The bit of a word that is gone stays set: it costs a look, and no more.
    pub(super) fn remove(&mut self, word: u64, needle: u32) {
        if let Some(anchors) = self.anchors.get_mut(&word) {
            anchors.retain(|anchor| anchor.needle != needle);
            if anchors.is_empty() {
                self.anchors.remove(&word);
            }
        }
    }

    pub(super) fn get(&self, word: u64) -> &[Anchor] {
        let bit = self.bit(word);
        if self.filter[bit >> 6] & (1 << (bit & 63)) == 0 {
            return &[];
        }
        self.anchors.get(&word).map_or(&[], Vec::as_slice)
    }

    fn mark(&mut self, word: u64) {
        let bit = self.bit(word);
        self.filter[bit >> 6] |= 1 << (bit & 63);
    }

    fn bit(&self, word: u64) -> usize {
        // The upper bits of a product hang on all bits of the word.
        (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - self.bits)) as usize
    }
}
