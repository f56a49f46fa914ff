//! Where the members of a struct lie, found by name.

use super::Debug;
use super::error::DwarfError;
use super::types::{Member, Shape, Type, TypeRef};

/// The layout of a struct.
pub struct StructLayout<'d, 'e> {
    debug: &'d Debug<'e>,
    /// Its size in bytes.
    pub size: u64,
    /// Its members, in the order of declaration.
    pub members: Vec<Member<'e>>,
}

/// A part of a struct, however deeply nested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it starts, in bytes from the start of the outermost struct.
    pub offset: u64,
    /// Its type.
    pub ty: TypeRef,
    /// Its size in bytes.
    pub size: u64,
    /// For an array, how many elements it has.
    pub count: Option<u64>,
}

impl<'e> StructLayout<'_, 'e> {
    /// The member of that name.
    pub fn member(&self, name: &str) -> Option<&Member<'e>> {
        self.members.iter().find(|m| m.name == name)
    }

    /// The part that a dotted path names: `sched.sp` in `runtime.g`. `None` where a member of the
    /// path does not exist, is no struct, or cannot be read.
    pub fn path(&self, path: &str) -> Option<Place> {
        let mut names = path.split('.');
        let mut member = *self.member(names.next()?)?;
        let mut offset = member.offset;
        for name in names {
            let Shape::Struct(members) = self.debug.resolve(member.ty).ok()?.shape else {
                return None;
            };
            member = *members.iter().find(|m| m.name == name)?;
            offset = offset.checked_add(member.offset)?;
        }
        let ty = self.debug.resolve(member.ty).ok()?;
        let count = match ty.shape {
            Shape::Array { count, .. } => Some(count),
            _ => None,
        };
        Some(Place { offset, ty: member.ty, size: ty.size?, count })
    }
}

impl<'e> Debug<'e> {
    /// The layout of the struct of that name, or `None` where the program has no such type, or
    /// what it has is no readable struct.
    pub fn members(&self, name: &str) -> Option<StructLayout<'_, 'e>> {
        self.layout(self.type_named(name)?).ok()
    }

    /// The layout of a struct.
    ///
    /// # Errors
    ///
    /// Where the type is no struct, or cannot be read.
    pub fn layout(&self, ty: TypeRef) -> Result<StructLayout<'_, 'e>, DwarfError> {
        match self.resolve(ty)? {
            Type { shape: Shape::Struct(members), size: Some(size), .. } => {
                Ok(StructLayout { debug: self, size, members })
            }
            other => Err(DwarfError::NotAStruct { name: other.name.to_owned(), ty }),
        }
    }
}
