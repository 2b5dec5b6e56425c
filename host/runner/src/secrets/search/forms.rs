//! The forms in which a secret can stand in a text as a whole. What is escaped letter by letter is undone by a
//! [view](super::views) of the text instead.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::percent_decode_str;
use secrecy::zeroize::Zeroizing;
use serde_json::Value;

/// The shortest form that is searched for, in bytes.
pub(super) const SHORTEST: usize = 4;

/// What is encoded, before it is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// The value itself.
    Raw,
    /// The value inside a JSON string.
    Json,
    /// The value with `+` for its spaces, as in a form. What else a form escapes has other marks.
    Plus,
    /// The value with its percent escapes undone: an encoder that leaves `%` as it is makes of `%41 ` the text `%41%20`, of
    /// which every decoder makes `A `.
    Decoded,
    /// The value in UTF-16, as Windows writes texts.
    Utf16Le,
    /// The same, most significant byte first.
    Utf16Be,
}

/// One of the two alphabets of base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alphabet {
    Standard,
    UrlSafe,
}

/// A form of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Plain(Base),
    /// In hexadecimal.
    Hex {
        base: Base,
        upper: bool,
    },
    /// Part of a base64 text: only those letters that the value alone decides, whatever stands around it.
    Base64 {
        base: Base,
        alphabet: Alphabet,
        /// How many bytes of a group of three stand before the value.
        before: u8,
    },
    /// Part of base64 that was encoded once more.
    Base64Twice {
        alphabet: Alphabet,
        before: u8,
        /// The same for the letters of the inner base64.
        inner: u8,
    },
}

impl Form {
    /// Every form that is searched for.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let plain = [Base::Raw, Base::Plus, Base::Decoded, Base::Utf16Le, Base::Utf16Be].map(Self::Plain);
        let hex = [Base::Raw, Base::Json]
            .into_iter()
            .flat_map(|base| [false, true].map(|upper| Self::Hex { base, upper }));
        let places = || {
            [Alphabet::Standard, Alphabet::UrlSafe]
                .into_iter()
                .flat_map(|alphabet| [0, 1, 2].map(|before| (alphabet, before)))
        };
        let base64 = [Base::Raw, Base::Json, Base::Utf16Le, Base::Utf16Be]
            .into_iter()
            .flat_map(move |base| places().map(move |(alphabet, before)| Self::Base64 { base, alphabet, before }));
        let twice = places().flat_map(|(alphabet, before)| {
            [0, 1, 2].map(|inner| Self::Base64Twice {
                alphabet,
                before,
                inner,
            })
        });
        plain.into_iter().chain(hex).chain(base64).chain(twice)
    }

    /// The bytes of the form; none if another form has the same.
    pub(super) fn of(self, value: &str) -> Option<Zeroizing<Vec<u8>>> {
        Some(match self {
            Self::Plain(base) => base.bytes(value)?,
            Self::Hex { base, upper } => hex(&base.bytes(value)?, upper),
            Self::Base64 { base, alphabet, before } => {
                let inner = alphabet.part(&base.bytes(value)?, before);
                let same = alphabet == Alphabet::UrlSafe && !inner.iter().any(|letter| b"-_".contains(letter));
                return (!same).then_some(inner);
            }
            Self::Base64Twice {
                alphabet,
                before,
                inner,
            } => {
                let inner = alphabet.part(value.as_bytes(), inner);
                let outer = alphabet.part(&inner, before);
                let decisive = |text: &[u8]| text.iter().any(|letter| b"-_".contains(letter));
                let same = alphabet == Alphabet::UrlSafe && !decisive(&inner) && !decisive(&outer);
                return (!same).then_some(outer);
            }
        })
    }
}

impl Base {
    /// The bytes to encode; none if they are those of [`Base::Raw`].
    fn bytes(self, value: &str) -> Option<Zeroizing<Vec<u8>>> {
        let utf16 = |bytes: fn(u16) -> [u8; 2]| value.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        let bytes = match self {
            Self::Raw => value.as_bytes().to_vec(),
            Self::Json => {
                let quoted = Zeroizing::new(Value::from(value).to_string());
                let inside = &quoted[1..quoted.len() - 1];
                if inside == value {
                    return None;
                }
                inside.as_bytes().to_vec()
            }
            Self::Plus if !value.contains(' ') => return None,
            Self::Plus => value.replace(' ', "+").into_bytes(),
            Self::Decoded => match Cow::from(percent_decode_str(value)) {
                Cow::Borrowed(_) => return None,
                Cow::Owned(decoded) => decoded,
            },
            Self::Utf16Le => utf16(u16::to_le_bytes),
            Self::Utf16Be => utf16(u16::to_be_bytes),
        };
        Some(Zeroizing::new(bytes))
    }
}

impl Alphabet {
    /// The letters that these bytes alone decide when so many others stand before them in their group of three.
    fn part(self, bytes: &[u8], before: u8) -> Zeroizing<Vec<u8>> {
        let engine: &GeneralPurpose = match self {
            Self::Standard => &STANDARD_NO_PAD,
            Self::UrlSafe => &URL_SAFE_NO_PAD,
        };
        let before = usize::from(before);
        let padded = Zeroizing::new([&vec![0; before], bytes].concat());
        let encoded = Zeroizing::new(engine.encode(&*padded).into_bytes());
        // A letter stands for six bits.
        let (from, to) = ((8 * before).div_ceil(6), 8 * padded.len() / 6);
        Zeroizing::new(encoded.get(from..to).unwrap_or_default().to_vec())
    }
}

fn hex(bytes: &[u8], upper: bool) -> Zeroizing<Vec<u8>> {
    let digits = if upper {
        b"0123456789ABCDEF"
    } else {
        b"0123456789abcdef"
    };
    let mut text = Zeroizing::new(Vec::with_capacity(2 * bytes.len()));
    for byte in bytes {
        text.extend([digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
    }
    text
}
