//! Inputs that are several.

/// An input that is several: the length of each but the last in two bytes, then all of them.
pub struct Parts<'d, const N: usize>([&'d [u8]; N]);

impl<'d, const N: usize> Parts<'d, N> {
    /// The parts of `data`; what is cut off is empty.
    pub fn of(data: &'d [u8]) -> Parts<'d, N> {
        let (head, mut rest) = data.split_at_checked(2 * (N - 1)).unwrap_or_default();
        let mut parts = [&[][..]; N];
        for (part, len) in parts.iter_mut().zip(head.as_chunks::<2>().0) {
            let len = usize::from(u16::from_le_bytes(*len)).min(rest.len());
            (*part, rest) = rest.split_at(len);
        }
        parts[N - 1] = rest;
        Parts(parts)
    }

    /// Part `index`, where it is not empty.
    pub fn get(&self, index: usize) -> Option<&'d [u8]> {
        self.0.get(index).copied().filter(|part| !part.is_empty())
    }
}
