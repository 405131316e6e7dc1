//! A macro for enumerated fields of SCSI structures: a newtype over the number, with named values.

/// Declares a newtype over an unsigned number, one constant per assigned value, and a `Debug` that prints the name and
/// the number in hexadecimal. Unassigned values are valid; `Debug` prints the type and the number for them.
#[macro_export]
macro_rules! named_values {
    ($(#[$meta:meta])* $vis:vis struct $name:ident($repr:ty); $($constant:ident = $value:literal, $text:literal;)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name(pub $repr);

        impl $name {
            $(#[doc = $text] pub const $constant: Self = Self($value);)*

            /// The name of this value in the standard; `None` if the value is not assigned.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }

        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self.name() {
                    Some(name) => write!(f, "{name} ({:#x})", self.0),
                    None => write!(f, concat!(stringify!($name), "({:#x})"), self.0),
                }
            }
        }
    };
}
