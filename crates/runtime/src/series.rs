//! Many values of one type, decoded one after another.

use std::rc::Rc;

use mapscope_report::Value;
use mapscope_target::{Addr, Ahead};

use crate::Decoder;
use crate::types::{Kind, Type, TypeId};
use crate::value::{Path, unreadable, word};

/// Decodes values of one type as [`Decoder::of`] does, quickly where they come in the order of what
/// they point to: the type is looked up once, and strings that lie together are read together.
pub struct Series<'a, 'g> {
    decoder: Decoder<'a, 'g>,
    ty: TypeId,
    t: Rc<Type>,
    strings: Ahead<'a>,
}

impl<'a, 'g> Series<'a, 'g> {
    /// A series of values of type `ty`.
    pub fn new(decoder: Decoder<'a, 'g>, ty: TypeId) -> Series<'a, 'g> {
        let t = decoder.go.types.get(ty);
        Series { decoder, ty, t, strings: Ahead::new(decoder.go.memory()) }
    }

    /// The value whose bytes are `bytes`, until the next is asked for.
    #[inline]
    pub fn value(&mut self, bytes: &[u8]) -> Value<'_> {
        match self.t.kind {
            Kind::String if bytes.len() as u64 >= self.t.size => self.string(bytes),
            _ => self.decoder.decode_as(bytes, self.ty, &self.t, 0, &mut Path::new()),
        }
    }

    #[inline]
    fn string(&mut self, bytes: &[u8]) -> Value<'_> {
        let (at, len) = (Addr(word(bytes, 0)), word(bytes, 8));
        let shown = len.min(self.decoder.limits.string) as usize;
        if shown == 0 {
            return Value::Str { bytes: (&[]).into(), len };
        }
        match self.strings.get(at, shown) {
            Ok(bytes) => Value::Str { bytes: bytes.into(), len },
            Err(fault) => unreadable(fault),
        }
    }
}
