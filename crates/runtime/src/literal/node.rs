//! A literal, parsed.

/// A piece of a literal, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spanned {
    /// Characters before it.
    pub(super) at: usize,
    pub(super) node: Node,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Nil,
    Bool(bool),
    Number(Number),
    Str(Vec<u8>),
    /// `{1, 2}`, `main.T{X: 1}`, `[1, 2]`
    Composite {
        ty: Option<String>,
        elems: Vec<Elem>,
    },
    /// `int(5)`
    Convert {
        ty: String,
        value: Box<Spanned>,
    },
}

/// One element of a composite.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Elem {
    /// Of a struct's field: its name.
    pub(super) name: Option<(usize, String)>,
    pub(super) value: Spanned,
}

/// A constant number. Its type is the place's, or Go's default where the place has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(i128),
    /// A character: an `int32` by default.
    Rune(i128),
    Float(f64),
    Complex(f64, f64),
}

impl Number {
    /// The type it has in an interface.
    pub(super) fn default_type(self) -> &'static str {
        match self {
            Number::Int(_) => "int",
            Number::Rune(_) => "int32",
            Number::Float(_) => "float64",
            Number::Complex(..) => "complex128",
        }
    }

    pub(super) fn negated(self) -> Number {
        match self {
            Number::Int(n) => Number::Int(-n),
            Number::Rune(n) => Number::Rune(-n),
            Number::Float(n) => Number::Float(-n),
            Number::Complex(re, im) => Number::Complex(-re, -im),
        }
    }

    /// As a whole number, if it is one.
    pub(super) fn int(self) -> Option<i128> {
        match self {
            Number::Int(n) | Number::Rune(n) => Some(n),
            Number::Float(n) if n.fract() == 0.0 && n.abs() < 2f64.powi(100) => Some(n as i128),
            _ => None,
        }
    }

    /// As a fraction, if it has no imaginary part.
    pub(super) fn float(self) -> Option<f64> {
        match self {
            Number::Int(n) | Number::Rune(n) => Some(n as f64),
            Number::Float(n) => Some(n),
            Number::Complex(re, im) => (im == 0.0).then_some(re),
        }
    }

    pub(super) fn complex(self) -> (f64, f64) {
        match self {
            Number::Complex(re, im) => (re, im),
            real => (real.float().unwrap_or(0.0), 0.0),
        }
    }
}
