//! Types as the runtime itself describes them: `abi.Type` and what follows it.

use mapscope_target::{Addr, Fault, Memory, MemoryExt, Why};

use super::{Field, Kind, MapType, SlotLayout, Type, TypeId, Types};
use crate::evidence::{self, Missing, Source};
use crate::module::Module;

/// `abi.TFlagUncommon` and so on (internal/abi/type.go; the same bits since 1.17).
const TFLAG_UNCOMMON: u8 = 1;
const TFLAG_EXTRA_STAR: u8 = 2;
const TFLAG_NAMED: u8 = 4;
const TFLAG_REGULAR_MEMORY: u8 = 8;

/// Size of an `abi.Method`, in bytes: four 32-bit offsets.
const METHOD: u64 = 16;

/// Longest name believed, in bytes: longer ones are cut by the linker's own varint only in theory.
const MAX_NAME: u64 = 64 << 10;
/// Most fields believed of one struct.
const MAX_FIELDS: u64 = 64 << 10;
/// More of a head is not read, in bytes: `abi.Type` has 48 (Go 1.19 to 1.27).
const MAX_HEAD: usize = 256;
/// Largest type believed, in bytes (the compiler's own limit is 1 << 50 on amd64).
const MAX_SIZE: u64 = 1 << 50;

/// Layouts of every kind of descriptor.
pub(crate) struct DescriptorLayouts {
    rtype: evidence::RType,
    ptr: evidence::PtrType,
    slice: evidence::SliceType,
    array: evidence::ArrayType,
    chan: evidence::ChanType,
    strukt: evidence::StructType,
    field: evidence::StructField,
    interface: evidence::InterfaceType,
    func: evidence::FuncType,
    uncommon: evidence::UncommonType,
    map: evidence::MapDescriptor,
    /// `abi.TFlagDirectIface` where there is one (internal/abi/type.go, since 1.26); before, bit 5
    /// of the kind says the same.
    direct_flag: Option<u8>,
}

/// `kindDirectIface` (runtime/typekind.go, internal/abi/type.go; until 1.25).
const KIND_DIRECT_IFACE: u8 = 1 << 5;

impl DescriptorLayouts {
    pub(crate) fn load(source: &dyn Source) -> Result<DescriptorLayouts, Missing> {
        Ok(DescriptorLayouts {
            rtype: evidence::RType::load(source)?,
            ptr: evidence::PtrType::load(source)?,
            slice: evidence::SliceType::load(source)?,
            array: evidence::ArrayType::load(source)?,
            chan: evidence::ChanType::load(source)?,
            strukt: evidence::StructType::load(source)?,
            field: evidence::StructField::load(source)?,
            interface: evidence::InterfaceType::load(source)?,
            func: evidence::FuncType::load(source)?,
            uncommon: evidence::UncommonType::load(source)?,
            map: evidence::MapDescriptor::load(source)?,
            direct_flag: source.constant("internal/abi.TFlagDirectIface").map(|flag| flag as u8),
        })
    }
}

/// The head of a descriptor.
struct Head {
    size: u64,
    ptr_bytes: u64,
    tflag: u8,
    align: u64,
    kind: u8,
    name_off: i32,
}

impl Head {
    /// Whether a type can have these.
    fn is_sane(&self) -> bool {
        (1..=26).contains(&(self.kind & 0x1f))
            && self.size <= MAX_SIZE
            && self.ptr_bytes <= self.size
            && matches!(self.align, 1 | 2 | 4 | 8)
    }
}

impl<'a> Types<'a> {
    pub(super) fn read_descriptor(&self, at: Addr) -> Result<Type, String> {
        self.try_descriptor(at).map_err(|fault| {
            self.note(at, fault);
            format!("no type descriptor at {at}: {fault}")
        })
    }

    fn try_descriptor(&self, at: Addr) -> Result<Type, Fault> {
        let head = self.head(at)?;
        if head.size > MAX_SIZE {
            return Err(Fault::new(at, Why::TooLong { len: head.size, limit: MAX_SIZE }));
        }
        let kind = self.kind(at, &head)?;
        let name = match self.name(at, &head) {
            Err(fault) if !fault.why.contradicts() => return Err(fault),
            name => name.unwrap_or_else(|_| self.spell(&kind)),
        };
        Ok(Type {
            name,
            size: head.size,
            align: head.align.max(1),
            kind,
            descriptor: Some(at),
            named: head.tflag & TFLAG_NAMED != 0,
            direct: match self.layouts.direct_flag {
                Some(flag) => head.tflag & flag != 0,
                None => head.kind & KIND_DIRECT_IFACE != 0,
            },
        })
    }

    /// Whether what is at `at`, in the heap, can be a descriptor that `reflect` made at run time:
    /// the name of such a type is a negative number (`addReflectOff`, runtime/type.go).
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn is_made(&self, at: Addr) -> Result<bool, Fault> {
        let head = self.head(at)?;
        Ok(head.name_off < 0 && head.is_sane())
    }

    /// Whether what is at `at`, among what the linker laid down, can be a descriptor: they have
    /// pointers in them, and lie as these do. The constants beside them seldom look like one.
    pub(crate) fn is_laid(&self, at: Addr) -> bool {
        if !at.0.is_multiple_of(8) {
            return false;
        }
        let head = self.head(at).inspect_err(|fault| self.note(at, *fault));
        head.is_ok_and(|head| head.name_off >= 0 && head.is_sane())
    }

    /// Meets every descriptor of a module whose descriptors stand one behind the other
    /// (since 1.27; runtime/type.go, `moduleTypelinks`): 8-byte aligned from the ninth byte on,
    /// each followed by what its kind and its methods add.
    pub fn walk_descriptors(&self, module: &Module) {
        let Some(range) = &module.descriptors else { return };
        let mut at = range.start.0.saturating_add(8);
        while at < range.end.0 {
            match self.descriptor_size(Addr(at)) {
                Ok(size) => {
                    self.of_descriptor(Addr(at));
                    at = at.saturating_add(size).next_multiple_of(8);
                }
                Err(fault) => return self.note(Addr(at), fault),
            }
        }
    }

    /// Which words of a value of the type with this descriptor hold pointers: bit `i` for word `i`.
    /// `None` for types of more than 64 words, and where the GC data cannot be read.
    pub fn pointer_words(&self, descriptor: Addr) -> Option<u64> {
        let head = self.head(descriptor).ok()?;
        let words = head.ptr_bytes / 8;
        if head.size > 512 || words > 64 {
            return None;
        }
        let gcdata = self.memory.addr(offset(descriptor, self.layouts.rtype.gcdata).ok()?).ok()?;
        let bytes = self.memory.bytes(gcdata, words.div_ceil(8), 8).ok()?;
        let mut mask = [0; 8];
        mask[..bytes.len()].copy_from_slice(&bytes);
        let unused = 64u32.saturating_sub(words as u32);
        u64::from_le_bytes(mask).checked_shl(unused).unwrap_or(0).checked_shr(unused)
    }

    /// Whether the descriptor of a type says that its values are compared and hashed as plain
    /// memory; `true` for a type without one.
    pub(crate) fn is_regular(&self, id: TypeId) -> bool {
        let head = self.get(id).descriptor.and_then(|at| self.head(at).ok());
        head.is_none_or(|head| head.tflag & TFLAG_REGULAR_MEMORY != 0)
    }

    /// The closure by which maps of the type with this descriptor hash their keys; `None` where
    /// the layout of map types does not tell.
    pub(crate) fn hasher(&self, descriptor: Addr) -> Result<Option<Addr>, Fault> {
        match self.layouts.map.hasher {
            Some(member) => self.memory.addr(offset(descriptor, member)?).map(Some),
            None => Ok(None),
        }
    }

    /// The path of the package that a named type is of, or one with methods; `None` for others.
    pub fn package(&self, id: TypeId) -> Option<String> {
        let at = self.get(id).descriptor?;
        let head = self.head(at).ok()?;
        if head.tflag & TFLAG_UNCOMMON == 0 {
            return None;
        }
        let uncommon = offset(at, self.sized(&head)).ok()?;
        let path = offset(uncommon, self.layouts.uncommon.pkg_path).ok()?;
        self.name_off(at, self.memory.u32(path).ok()? as i32).ok().filter(|path| !path.is_empty())
    }

    /// How long the part of a descriptor is that its kind alone decides, in bytes. What follows is
    /// `abi.UncommonType`, for types that have one.
    fn sized(&self, head: &Head) -> u64 {
        let l = &self.layouts;
        match head.kind & 0x1f {
            17 => l.array.size,
            18 => l.chan.size,
            19 => l.func.size,
            20 => l.interface.size,
            21 => l.map.size,
            22 => l.ptr.size,
            23 => l.slice.size,
            25 => l.strukt.size,
            _ => l.rtype.size,
        }
    }

    /// How long the descriptor at `at` is, in bytes, with all that follows it.
    fn descriptor_size(&self, at: Addr) -> Result<u64, Fault> {
        let l = &self.layouts;
        let head = self.head(at)?;
        let base = self.sized(&head);
        let extra = match head.kind & 0x1f {
            19 => 8 * self.parameters(at)?,
            20 => 8 * self.count(at, l.interface.methods)?,
            25 => l.field.size * self.count(at, l.strukt.fields)?,
            _ => 0,
        };
        if head.tflag & TFLAG_UNCOMMON == 0 {
            return Ok(base + extra);
        }
        let methods = self.memory.u16(offset(at, base + l.uncommon.mcount)?)?;
        Ok(base + l.uncommon.size + extra + u64::from(methods) * METHOD)
    }

    /// Parameters and results of a func type; the top bit of the number of results says variadic.
    fn parameters(&self, at: Addr) -> Result<u64, Fault> {
        let inputs = self.memory.u16(offset(at, self.layouts.func.in_count)?)?;
        let outputs = self.memory.u16(offset(at, self.layouts.func.out_count)?)? & 0x7fff;
        Ok(u64::from(inputs) + u64::from(outputs))
    }

    /// The length of the slice at `at + member`.
    fn count(&self, at: Addr, member: u64) -> Result<u64, Fault> {
        let count = self.memory.u64(offset(at, member + 8)?)?;
        match count > MAX_FIELDS {
            true => Err(Fault::new(at, Why::TooLong { len: count, limit: MAX_FIELDS })),
            false => Ok(count),
        }
    }

    fn head(&self, at: Addr) -> Result<Head, Fault> {
        let l = &self.layouts.rtype;
        let mut bytes = [0; MAX_HEAD];
        let len = l.size.min(MAX_HEAD as u64) as usize;
        self.memory.read(at, &mut bytes[..len])?;
        let bytes = &bytes[..len];
        Ok(Head {
            size: u64::from_le_bytes(member(at, bytes, l.size_)?),
            ptr_bytes: u64::from_le_bytes(member(at, bytes, l.ptr_bytes)?),
            tflag: u8::from_le_bytes(member(at, bytes, l.tflag)?),
            align: u8::from_le_bytes(member(at, bytes, l.align)?).into(),
            kind: u8::from_le_bytes(member(at, bytes, l.kind)?),
            name_off: i32::from_le_bytes(member(at, bytes, l.str)?),
        })
    }

    /// `reflect.Kind` (reflect/type.go), the numbers of the language's kinds.
    fn kind(&self, at: Addr, head: &Head) -> Result<Kind, Fault> {
        let l = &self.layouts;
        Ok(match head.kind & 0x1f {
            1 => Kind::Bool,
            2..=6 => Kind::Int,
            7..=12 => Kind::Uint,
            13 | 14 => Kind::Float,
            15 | 16 => Kind::Complex,
            17 => {
                let len = self.memory.u64(offset(at, l.array.len)?)?;
                Kind::Array(self.refers(at, l.array.elem)?, len)
            }
            18 => Kind::Chan(self.refers(at, l.chan.elem)?),
            19 => Kind::Func,
            20 if self.memory.u64(offset(at, l.interface.methods + 8)?)? == 0 => {
                Kind::EmptyInterface
            }
            20 => Kind::Interface,
            21 => Kind::Map(self.map_type(at)?),
            22 => Kind::Pointer(self.refers(at, l.ptr.elem)?),
            23 => Kind::Slice(self.refers(at, l.slice.elem)?),
            24 => Kind::String,
            25 => Kind::Struct(self.fields(at, head.size)?),
            26 => Kind::UnsafePointer,
            other => Kind::Unknown(format!("kind {other} at {at} is none of Go's")),
        })
    }

    /// The type that the pointer at `at + member` refers to.
    fn refers(&self, at: Addr, member: u64) -> Result<TypeId, Fault> {
        Ok(self.of_descriptor(self.memory.addr(offset(at, member)?)?))
    }

    fn fields(&self, at: Addr, size: u64) -> Result<Vec<Field>, Fault> {
        let l = &self.layouts;
        let slice = offset(at, l.strukt.fields)?;
        let first = self.memory.addr(slice)?;
        let count = self.memory.u64(offset(slice, 8)?)?;
        if count > MAX_FIELDS {
            return Err(Fault::new(slice, Why::TooLong { len: count, limit: MAX_FIELDS }));
        }
        (0..count)
            .map(|i| {
                let field = first.index(i, l.field.size).ok_or(Fault::new(first, Why::Overflow))?;
                let place = self.memory.u64(offset(field, l.field.offset)?)?;
                if place > size {
                    return Err(Fault::new(field, Why::TooLong { len: place, limit: size }));
                }
                Ok(Field {
                    name: self.name_at(self.memory.addr(offset(field, l.field.name)?)?)?,
                    offset: place,
                    ty: self.refers(field, l.field.typ)?,
                })
            })
            .collect()
    }

    fn map_type(&self, at: Addr) -> Result<MapType, Fault> {
        let l = &self.layouts.map;
        let storage = match l.group.or(l.bucket) {
            Some(member) => Some(self.memory.addr(offset(at, member)?)?),
            None => None,
        };
        let pointer_free = match storage {
            Some(storage) => self.head(storage)?.ptr_bytes == 0,
            None => false,
        };
        let slots = SlotReader { memory: &self.memory, at, pointer_free };
        Ok(MapType {
            key: self.refers(at, l.key)?,
            elem: self.refers(at, l.elem)?,
            slots: slots.read(l)?.filter(SlotLayout::is_sane),
            storage,
        })
    }

    fn name(&self, at: Addr, head: &Head) -> Result<String, Fault> {
        let name = self.name_off(at, head.name_off)?;
        Ok(match name.strip_prefix('*') {
            Some(rest) if head.tflag & TFLAG_EXTRA_STAR != 0 => rest.to_owned(),
            _ => name,
        })
    }

    /// The name at an `abi.NameOff` that the descriptor at `at` states.
    fn name_off(&self, at: Addr, off: i32) -> Result<String, Fault> {
        let module = self.modules.iter().find(|m| m.types.contains(&at));
        let types = module.ok_or(Fault::new(at, Why::Unmapped))?.types.start;
        let place = types.0.checked_add_signed(off.into());
        self.name_at(Addr(place.ok_or(Fault::new(at, Why::Overflow))?))
    }

    /// An `abi.Name`: one byte of flags, a varint length, the name (since 1.17).
    fn name_at(&self, at: Addr) -> Result<String, Fault> {
        if at.is_null() {
            return Ok(String::new());
        }
        let (mut len, mut shift, mut pos) = (0u64, 0u32, 1u64);
        loop {
            let byte = self.memory.u8(offset(at, pos)?)?;
            len |= u64::from(byte & 0x7f) << shift;
            (shift, pos) = (shift + 7, pos + 1);
            if byte & 0x80 == 0 {
                break;
            }
            if shift > 28 {
                return Err(Fault::new(at, Why::TooLong { len, limit: MAX_NAME }));
            }
        }
        let bytes = self.memory.bytes(offset(at, pos)?, len, MAX_NAME)?;
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|odd| String::from_utf8_lossy(odd.as_bytes()).into_owned()))
    }

    /// The name of a type made at run time (`reflect.MapOf`), whose descriptor lies on the heap
    /// and whose name only `runtime.reflectOffs` could resolve: spelt from its parts.
    fn spell(&self, kind: &Kind) -> String {
        let name = |id: TypeId| self.get(id).name.clone();
        match kind {
            Kind::Map(map) => format!("map[{}]{}", name(map.key), name(map.elem)),
            Kind::Pointer(to) => format!("*{}", name(*to)),
            Kind::Slice(of) => format!("[]{}", name(*of)),
            Kind::Array(of, len) => format!("[{len}]{}", name(*of)),
            Kind::Chan(of) => format!("chan {}", name(*of)),
            Kind::Func => "func".into(),
            Kind::Struct(_) => "struct".into(),
            _ => "?".into(),
        }
    }
}

/// Reads how the slots of a map type are laid out, whichever implementation the binary has.
struct SlotReader<'m> {
    memory: &'m dyn Memory,
    at: Addr,
    pointer_free: bool,
}

impl SlotReader<'_> {
    fn read(&self, l: &evidence::MapDescriptor) -> Result<Option<SlotLayout>, Fault> {
        if let (Some(keys), Some(key_stride), Some(elems), Some(elem_stride), Some(size)) =
            (l.keys_off, l.key_stride, l.elems_off, l.elem_stride, l.group_size)
        {
            return self.strided([keys, key_stride, elems, elem_stride, size], l.flags).map(Some);
        }
        if let (Some(slot), Some(elem), Some(size)) = (l.slot_size, l.elem_off, l.group_size) {
            return self.interleaved(slot, elem, size, l.flags).map(Some);
        }
        if let (Some(key), Some(elem), Some(size)) = (l.key_size, l.value_size, l.bucket_size) {
            return self.classic(key, elem, size, l.flags).map(Some);
        }
        Ok(None)
    }

    fn word(&self, member: u64) -> Result<u64, Fault> {
        self.memory.u64(offset(self.at, member)?)
    }

    /// Since 1.27 (internal/abi/map.go): one description for interleaved and for split groups.
    fn strided(&self, members: [u64; 5], flags: u64) -> Result<SlotLayout, Fault> {
        let [keys, key_stride, elems, elem_stride, size] = members;
        let (indirect_key, indirect_elem) = self.swiss_flags(flags)?;
        let (keys_off, elems_off) = (self.word(keys)?, self.word(elems)?);
        let key_stride = self.word(key_stride)?;
        Ok(SlotLayout {
            block_size: self.word(size)?,
            keys_off,
            key_stride,
            elems_off,
            elem_stride: self.word(elem_stride)?,
            indirect_key,
            indirect_elem,
            pointer_free: self.pointer_free,
            split: elems_off >= keys_off.saturating_add(key_stride.saturating_mul(8)),
        })
    }

    /// 1.24 to 1.26 (internal/abi/map_swiss.go): slots of key and elem, side by side.
    fn interleaved(
        &self,
        slot: u64,
        elem: u64,
        size: u64,
        flags: u64,
    ) -> Result<SlotLayout, Fault> {
        let (indirect_key, indirect_elem) = self.swiss_flags(flags)?;
        let stride = self.word(slot)?;
        Ok(SlotLayout {
            block_size: self.word(size)?,
            keys_off: 8,
            key_stride: stride,
            elems_off: 8u64.saturating_add(self.word(elem)?),
            elem_stride: stride,
            indirect_key,
            indirect_elem,
            pointer_free: self.pointer_free,
            split: false,
        })
    }

    /// Classic (runtime/map.go): `tophash[8]`, eight keys, eight elems, the overflow pointer.
    fn classic(&self, key: u64, elem: u64, size: u64, flags: u64) -> Result<SlotLayout, Fault> {
        let flags = self.memory.u32(offset(self.at, flags)?)?;
        let key_stride = u64::from(self.memory.u8(offset(self.at, key)?)?);
        Ok(SlotLayout {
            block_size: self.memory.u16(offset(self.at, size)?)?.into(),
            keys_off: 8,
            key_stride,
            elems_off: 8 + 8 * key_stride,
            elem_stride: self.memory.u8(offset(self.at, elem)?)?.into(),
            indirect_key: flags & 1 != 0,
            indirect_elem: flags & 2 != 0,
            pointer_free: self.pointer_free,
            split: true,
        })
    }

    fn swiss_flags(&self, member: u64) -> Result<(bool, bool), Fault> {
        let flags = self.memory.u32(offset(self.at, member)?)?;
        Ok((flags & 4 != 0, flags & 8 != 0))
    }
}

/// The member that lies `from` bytes into the head of the descriptor at `at`.
fn member<const N: usize>(at: Addr, bytes: &[u8], from: u64) -> Result<[u8; N], Fault> {
    let rest = usize::try_from(from).ok().and_then(|from| bytes.get(from..));
    let member = rest.and_then(|rest| rest.first_chunk());
    member.copied().ok_or(Fault::new(at, Why::Overflow))
}

fn offset(at: Addr, member: u64) -> Result<Addr, Fault> {
    at.checked_add(member).ok_or(Fault::new(at, Why::Overflow))
}
