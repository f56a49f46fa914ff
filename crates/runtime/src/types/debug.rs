//! Types that only DWARF knows.

use mapscope_binary::dwarf::{DwarfError, Shape, Type as DebugType, TypeRef as DebugRef};
use mapscope_target::Addr;

use super::{Field, Kind, MapType, Type, TypeId, Types, short_name};

impl<'a> Types<'a> {
    /// The descriptor of a type that DWARF describes, where the linker kept one
    /// (`DW_AT_go_runtime_type`, an offset from `runtime.types`).
    pub(super) fn descriptor_of(&self, place: DebugRef) -> Option<Addr> {
        let offset = self.debug?.resolve(place).ok()?.go_runtime_type.filter(|o| *o != 0)?;
        self.modules.first()?.types.start.checked_add(offset)
    }

    pub(super) fn read_debug(&self, place: DebugRef) -> Result<Type, String> {
        let debug = self.debug.ok_or("the executable has no DWARF")?;
        let ty = debug.resolve(place).map_err(|e| e.to_string())?;
        let kind = self.debug_kind(&ty).map_err(|e| e.to_string())?;
        Ok(Type {
            name: short_name(ty.name),
            size: ty.size.unwrap_or(0),
            align: 8,
            kind,
            descriptor: None,
            named: false,
            direct: false,
        })
    }

    /// By `DW_AT_go_kind` where there is one (its numbers are reflect's), else by shape: types of
    /// the linker's own making have none.
    fn debug_kind(&self, ty: &DebugType<'_>) -> Result<Kind, DwarfError> {
        let part = |part: Option<DebugRef>| part.map(|p| self.of_debug(p));
        let unknown = || Kind::Unknown(format!("DWARF says nothing of what {} is", ty.name));
        Ok(match (ty.go_kind.unwrap_or(0) & 0x1f, &ty.shape) {
            (1, _) => Kind::Bool,
            (2..=6, _) => Kind::Int,
            (7..=12, _) => Kind::Uint,
            (13 | 14, _) => Kind::Float,
            (15 | 16, _) => Kind::Complex,
            (18, _) => part(ty.elem).map_or_else(unknown, Kind::Chan),
            (19, _) | (0, Shape::Subroutine) => Kind::Func,
            (20, Shape::Typedef(to)) => self.debug_interface(*to)?,
            (21, _) => match (part(ty.key), part(ty.elem)) {
                (Some(key), Some(elem)) => {
                    Kind::Map(MapType { key, elem, slots: None, storage: None })
                }
                _ => unknown(),
            },
            (23, _) => part(ty.elem).map_or_else(unknown, Kind::Slice),
            (24, _) => Kind::String,
            (26, _) | (_, Shape::Pointer(None)) => Kind::UnsafePointer,
            (_, Shape::Pointer(Some(to))) => Kind::Pointer(self.of_debug(*to)),
            (_, Shape::Array { elem, count }) => Kind::Array(self.of_debug(*elem), *count),
            (_, Shape::Struct(members)) => Kind::Struct(
                members
                    .iter()
                    .map(|m| Field {
                        name: m.name.to_owned(),
                        offset: m.offset,
                        ty: self.of_debug(m.ty),
                    })
                    .collect(),
            ),
            _ => unknown(),
        })
    }

    /// Interfaces are typedefs of `runtime.eface` or `runtime.iface`.
    fn debug_interface(&self, to: DebugRef) -> Result<Kind, DwarfError> {
        let under = self.debug.map(|debug| debug.resolve(to)).transpose()?;
        Ok(match under {
            Some(ty) if ty.name == "runtime.eface" => Kind::EmptyInterface,
            _ => Kind::Interface,
        })
    }

    /// The id of `interface {}`, which every program has.
    pub fn any(&self) -> Option<TypeId> {
        self.named("interface {}")
    }
}
