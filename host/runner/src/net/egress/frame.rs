//! The head of a websocket frame (RFC 6455, section 5.2).

/// The longest head, in bytes: the code, the length, its extension, and the mask.
const LONGEST: usize = 2 + 8 + 4;

/// What was read of a frame's head.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Head {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Head {
    /// Reads on from what has arrived. Returns how much of that belongs to the head.
    pub(super) fn read(&mut self, arrived: &[u8]) -> usize {
        let mut rest = arrived.iter();
        while self.length < self.needed() {
            let Some(byte) = rest.next() else { break };
            self.bytes[self.length] = *byte;
            self.length += 1;
        }
        arrived.len() - rest.len()
    }

    /// How long the payload is, once the head is complete.
    pub(super) fn payload(&self) -> Option<u64> {
        if self.length < self.needed() {
            return None;
        }
        let extension = &self.bytes[2..2 + self.extension()];
        Some(match extension {
            [] => u64::from(self.bytes[1] & 0x7f),
            extension => extension.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        })
    }

    /// Whether it is a ping, a pong or a close frame, which can stand between the frames of a message.
    pub(super) fn is_control(&self) -> bool {
        self.bytes[0] & 0x08 != 0
    }

    /// Whether it is the last frame of a message.
    pub(super) fn ends_message(&self) -> bool {
        self.bytes[0] & 0x80 != 0 && !self.is_control()
    }

    /// What was read.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// How long the head is, as far as is known.
    fn needed(&self) -> usize {
        let mask = if self.bytes[1] & 0x80 == 0 { 0 } else { 4 };
        2 + self.extension() + mask
    }

    fn extension(&self) -> usize {
        match self.bytes[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_every_form() {
        for (name, bytes, payload) in [
            ("empty", vec![0x81, 0], 0),
            ("short", vec![0x81, 125], 125),
            ("two bytes of length", vec![0x81, 126, 1, 2], 0x102),
            (
                "eight bytes of length",
                vec![0x82, 127, 0, 0, 0, 1, 0, 0, 0, 2],
                0x1_0000_0002,
            ),
            (
                "the longest length",
                vec![0x82, 127, 255, 255, 255, 255, 255, 255, 255, 255],
                u64::MAX,
            ),
            ("masked", vec![0x81, 0x83, 9, 9, 9, 9], 3),
            ("masked, with a length", vec![0x81, 0xfe, 0, 200, 9, 9, 9, 9], 200),
        ] {
            let mut head = Head::default();
            for byte in &bytes {
                assert_eq!(head.payload(), None, "{name}");
                assert_eq!(head.read(&[*byte]), 1, "{name}");
            }
            assert_eq!(head.payload(), Some(payload), "{name}");
            assert_eq!(head.read(b"payload"), 0, "{name}");
            assert_eq!(head.bytes(), bytes, "{name}");
        }
    }
}
