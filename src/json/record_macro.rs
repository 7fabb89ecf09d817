//! The macro [`record!`](crate::record).

/// Declares structs that are JSON objects, and enums that are strings or integers: implements [`FromJson`](crate::json::FromJson) and
/// [`ToJson`](crate::json::ToJson) for them. Nearly every use needs `Default` as well.
///
/// After a field's type, `=>` may be followed by its name on the wire, if that is not the
/// field's own name, and by these words:
///
/// | after the type | Go's struct tag | meaning |
/// | --- | --- | --- |
/// | `=> "Name"` | `` `json:"Name"` `` | the name on the wire |
/// | `=> omitempty` | `` `json:",omitempty"` `` | not written if it is `false`, 0, an empty string, array or object, or `None` |
/// | `=> quoted` | `` `json:",string"` `` | written inside a string: booleans, numbers, durations and strings |
/// | `=> embedded` | none: an embedded struct | a record whose members count as this one's own; in an `Option` it comes with the first of them |
/// | `=> required` | none | it is an error if the member does not come |
/// | `=> skip` | `` `json:"-"` `` | not on the wire, and of any type |
/// | `=> "Name" omitempty quoted` | `` `json:"Name,omitempty,string"` `` | all of these |
///
/// A field of type [`Files`](crate::Files) is never on the wire: it holds the files that are
/// sent with the JSON. Only the first such field of the record, or of what is embedded in it, is
/// sent; files anywhere else are an error when the record is encoded. Two members of one name, and
/// words that mean nothing to a field's type, do not compile.
///
/// ```
/// urpc::record! {
///     #[derive(Debug, Default, PartialEq)]
///     pub struct Origin {
///         pub uid: u32,
///         pub name: String => omitempty,
///     }
///
///     #[derive(Debug, Default, PartialEq)]
///     pub struct Request {
///         pub origin: Origin => embedded,
///         pub argv: Vec<String> => "Argv",
///         pub deadline: Option<u64> => "deadline_ns" omitempty quoted,
///         pub attempts: u8 => skip,
///     }
/// }
///
/// let request: Request = urpc::json::from_str(r#"{"uid":7,"ARGV":["ls"],"deadline_ns":"5"}"#)?;
/// assert_eq!(request.origin.uid, 7);
/// assert_eq!(request.deadline, Some(5));
/// assert_eq!(urpc::json::to_string(&request)?, r#"{"uid":7,"Argv":["ls"],"deadline_ns":"5"}"#);
/// # Ok::<(), urpc::json::Error>(())
/// ```
///
/// `=> rename_all "camelCase"` or `"PascalCase"` after the struct's name makes the names on the wire of
/// the fields' own, which are in snake case. A name in quotes goes before it, as for `containerID`.
/// Fields keep their attributes; one that `#[cfg]` takes away is no member. Variants cannot have `#[cfg]`.
///
/// A member that does not come keeps the value that the record's `Default` gave it. There is no word
/// for another value: write `impl Default` by hand instead of deriving it. So `NonZeroU32` and its
/// like, which have none, are no members: take a `u32`, and call `NonZeroU32::new` where it is used.
///
/// ```
/// urpc::record! {
///     #[derive(Debug, PartialEq)]
///     pub struct Wait => rename_all "camelCase" {
///         pub container_id: String => "containerID",
///         pub poll_interval: u32,
///         #[cfg(windows)]
///         pub job_object: u64,
///     }
/// }
///
/// impl Default for Wait {
///     fn default() -> Self {
///         Wait { container_id: String::new(), poll_interval: 100 }
///     }
/// }
///
/// let wait: Wait = urpc::json::from_str(r#"{"containerID":"c1"}"#)?;
/// assert_eq!(wait, Wait { container_id: "c1".into(), poll_interval: 100 });
/// assert_eq!(urpc::json::to_string(&wait)?, r#"{"containerID":"c1","pollInterval":100}"#);
/// # Ok::<(), urpc::json::Error>(())
/// ```
///
/// A struct can have lifetimes and types. A type needs `FromJson`, `ToJson` and `Default`, and what is
/// named behind it: `<'a, T, K: MapKey + Ord>`. It can be embedded if all that it has are `'static`.
///
/// ```
/// urpc::record! {
///     #[derive(Debug, Default)]
///     pub struct Page<T> {
///         pub items: Vec<T>,
///     }
/// }
/// let page = Page { items: vec![1, 2] };
/// assert_eq!(urpc::json::to_string(&page)?, r#"{"items":[1,2]}"#);
/// # Ok::<(), urpc::json::Error>(())
/// ```
///
/// A struct of one unnamed field is what that field is. An enum is strings or integers; what it
/// does not know is an error that lists what it knows, or goes into the variant that keeps texts.
///
/// ```
/// urpc::record! {
///     #[derive(Debug, Default, PartialEq)]
///     pub struct Pid(pub u32);
/// }
/// urpc::record! {
///     #[derive(Debug, Default, PartialEq)]
///     pub enum Mode {
///         #[default]
///         Process => "process",
///         All => "all",
///         Other(String),
///     }
/// }
/// urpc::record! {
///     #[derive(Debug, Default, PartialEq)]
///     pub enum Level {
///         #[default]
///         Warning = 0,
///         Debug = 2,
///     }
/// }
///
/// let read: (Pid, Mode, Mode, Level) = urpc::json::from_str(r#"[7,"all","none",2]"#)?;
/// assert_eq!(read, (Pid(7), Mode::All, Mode::Other("none".into()), Level::Debug));
/// assert_eq!(urpc::json::to_string(&read)?, r#"[7,"all","none",2]"#);
/// # Ok::<(), urpc::json::Error>(())
/// ```
#[macro_export]
macro_rules! record {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident
        $(<$($lifetime:lifetime),* $(,)? $($parameter:ident $(: $($first:ident)::+ $(+ $($bound:ident)::+)*)?),*>)? $(=> rename_all $case:literal)? {
            $(
                $(#[$($field_attribute:tt)*])*
                $field_visibility:vis $field:ident : $type:ty $(=> $($wire:literal)? $($word:ident)*)?
            ),* $(,)?
        }
    )*) => { $(
        $(#[$attribute])*
        $visibility struct $name $(<$($lifetime,)* $($parameter $(: $($first)::+ $(+ $($bound)::+)*)?),*>)? {
            $( $(#[$($field_attribute)*])* $field_visibility $field: $type ),*
        }

        const _: () = {
            const CASE: $crate::json::record::Case = $crate::json::record::Case::named(::std::concat!($($case)?));

            impl $(<$($lifetime,)* $($parameter: $crate::json::FromJson + $crate::json::ToJson + ::std::default::Default $(+ $($first)::+ $(+ $($bound)::+)*)?),*>)? $crate::json::record::Fields for $name $(<$($lifetime,)* $($parameter),*>)? {
                const PARAMETERS: &'static [&'static str] = &[$($(::std::stringify!($parameter)),*)?];
                const FIELDS: &'static [$crate::json::record::Field] = {
                    let fields: &[$crate::json::record::Field] = &[
                        $( $crate::record!(@cfg [$(#[$($field_attribute)*])*] [@field $field $type] $($($wire)? $($word)*)?) ),*
                    ];
                    ::std::assert!(
                        $crate::json::record::names_differ(fields),
                        "{}",
                        ::std::concat!(
                            "two members of `", ::std::stringify!($name), "` have the same name on the wire, so that one \
                             would hide the other:",
                            $( " `", ::std::stringify!($field), $($(" => ", $wire,)?)? "`", )*
                            ": rename one of them or mark it `skip`"
                        )
                    );
                    fields
                };
            }

            $crate::record!(@resolve $name $($($parameter)*)?);

            // One for all types that a generic record is made with.
            static LAYOUTS: $crate::json::record::Layouts = $crate::json::record::Layouts::new();

            impl $(<$($lifetime,)* $($parameter: $crate::json::FromJson + $crate::json::ToJson + ::std::default::Default $(+ $($first)::+ $(+ $($bound)::+)*)?),*>)? $crate::json::FromJson for $name $(<$($lifetime,)* $($parameter),*>)? {
                fn decode(
                    &mut self,
                    decoder: &mut $crate::json::Decoder<'_>,
                ) -> ::std::result::Result<(), $crate::json::Aborted> {
                    LAYOUTS.of::<Self>().decode(self, decoder)
                }

                fn default_bytes() -> usize {
                    0 $( + $crate::record!(@cfg [$(#[$($field_attribute)*])*] [@bytes $type] $($($wire)? $($word)*)?) )*
                }

                fn files_mut(&mut self) -> ::std::option::Option<&mut $crate::Files> {
                    LAYOUTS.of::<Self>().files_mut(self)
                }

                fn field_mut(&mut self, index: usize) -> ::std::option::Option<&mut dyn $crate::json::FromJson> {
                    let accessors: &[fn(&mut Self) -> ::std::option::Option<&mut dyn $crate::json::FromJson>] = &[
                        $( $crate::record!(@cfg [$(#[$($field_attribute)*])*] [@accessor (&mut) $field] $($($wire)? $($word)*)?) ),*
                    ];
                    accessors.get(index)?(self)
                }
            }

            impl $(<$($lifetime,)* $($parameter: $crate::json::FromJson + $crate::json::ToJson + ::std::default::Default $(+ $($first)::+ $(+ $($bound)::+)*)?),*>)? $crate::json::record::Embeddable for $name $(<$($lifetime,)* $($parameter),*>)?
            where
                Self: 'static
            {
                fn record() -> $crate::json::record::Record {
                    (::std::any::TypeId::of::<Self>(), <Self as $crate::json::record::Fields>::FIELDS)
                }
            }

            impl $(<$($lifetime,)* $($parameter: $crate::json::FromJson + $crate::json::ToJson + ::std::default::Default $(+ $($first)::+ $(+ $($bound)::+)*)?),*>)? $crate::json::ToJson for $name $(<$($lifetime,)* $($parameter),*>)? {
                fn encode(
                    &self,
                    encoder: &mut $crate::json::Encoder<'_>,
                ) -> ::std::result::Result<(), $crate::json::Aborted> {
                    LAYOUTS.of::<Self>().encode(self, encoder)
                }

                fn files(&self) -> ::std::option::Option<&$crate::Files> {
                    LAYOUTS.of::<Self>().files(self)
                }

                fn field(&self, index: usize) -> ::std::option::Option<&dyn $crate::json::ToJson> {
                    let accessors: &[fn(&Self) -> ::std::option::Option<&dyn $crate::json::ToJson>] = &[
                        $( $crate::record!(@cfg [$(#[$($field_attribute)*])*] [@accessor (&) $field] $($($wire)? $($word)*)?) ),*
                    ];
                    accessors.get(index)?(self)
                }
            }
        };
    )* };

    ($(
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident
        $(<$($lifetime:lifetime),* $(,)? $($parameter:ident $(: $($first:ident)::+ $(+ $($bound:ident)::+)*)?),*>)? ( $field_visibility:vis $type:ty $(,)? );
    )*) => { $(
        $(#[$attribute])*
        $visibility struct $name $(<$($lifetime,)* $($parameter $(: $($first)::+ $(+ $($bound)::+)*)?),*>)? ($field_visibility $type);

        impl $(<$($lifetime,)* $($parameter: $crate::json::FromJson + $crate::json::ToJson + ::std::default::Default $(+ $($first)::+ $(+ $($bound)::+)*)?),*>)? $crate::json::FromJson for $name $(<$($lifetime,)* $($parameter),*>)? {
            fn decode(
                &mut self,
                decoder: &mut $crate::json::Decoder<'_>,
            ) -> ::std::result::Result<(), $crate::json::Aborted> {
                $crate::json::FromJson::decode(&mut self.0, decoder)
            }

            fn default_bytes() -> usize {
                <$type as $crate::json::FromJson>::default_bytes()
            }

            fn files_mut(&mut self) -> ::std::option::Option<&mut $crate::Files> {
                $crate::json::FromJson::files_mut(&mut self.0)
            }

            fn shape() -> $crate::json::record::Shape {
                <$type as $crate::json::FromJson>::shape()
            }
        }

        impl $(<$($lifetime,)* $($parameter: $crate::json::FromJson + $crate::json::ToJson + ::std::default::Default $(+ $($first)::+ $(+ $($bound)::+)*)?),*>)? $crate::json::ToJson for $name $(<$($lifetime,)* $($parameter),*>)? {
            fn encode(
                &self,
                encoder: &mut $crate::json::Encoder<'_>,
            ) -> ::std::result::Result<(), $crate::json::Aborted> {
                $crate::json::ToJson::encode(&self.0, encoder)
            }

            fn is_empty(&self) -> bool {
                $crate::json::ToJson::is_empty(&self.0)
            }

            fn files(&self) -> ::std::option::Option<&$crate::Files> {
                $crate::json::ToJson::files(&self.0)
            }
        }
    )* };

    ($(
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $( $(#[$variant_attribute:meta])* $variant:ident = $number:literal ),+ $(,)?
        }
    )+) => { $(
        $(#[$attribute])*
        $visibility enum $name {
            $( $(#[$variant_attribute])* $variant = $number ),+
        }

        impl $crate::json::FromJson for $name {
            fn decode(
                &mut self,
                decoder: &mut $crate::json::Decoder<'_>,
            ) -> ::std::result::Result<(), $crate::json::Aborted> {
                let read = |number: i64| match number {
                    $( $number => ::std::option::Option::Some($name::$variant), )+
                    _ => ::std::option::Option::None,
                };
                $crate::json::record::decode_number(self, &[$($number),+], read, decoder)
            }
        }

        impl $crate::json::ToJson for $name {
            fn encode(
                &self,
                encoder: &mut $crate::json::Encoder<'_>,
            ) -> ::std::result::Result<(), $crate::json::Aborted> {
                let number: i64 = match self { $( $name::$variant => $number ),+ };
                $crate::json::ToJson::encode(&number, encoder)
            }

            fn is_empty(&self) -> bool {
                0 == match self { $( $name::$variant => $number ),+ }
            }
        }
    )+ };

    ($(
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident {
            $( $(#[$variant_attribute:meta])* $variant:ident $(($kept:ty))? $(=> $text:literal)? ),+ $(,)?
        }
    )+) => { $(
        $(#[$attribute])*
        $visibility enum $name {
            $( $(#[$variant_attribute])* $variant $(($kept))? ),+
        }

        const _: () = {
            fn text(value: &$name) -> &str {
                $( $crate::record!(@text value, $name::$variant $(($kept))? $(=> $text)?); )+
                ""
            }

            impl $crate::json::FromJson for $name {
                fn decode(
                    &mut self,
                    decoder: &mut $crate::json::Decoder<'_>,
                ) -> ::std::result::Result<(), $crate::json::Aborted> {
                    let read = |text: &str| {
                        $( $crate::record!(@variant text, $name::$variant $(($kept))? $(=> $text)?); )+
                        ::std::option::Option::None
                    };
                    $crate::json::record::decode_text(self, &[$($($text,)?)+], read, decoder)
                }
            }

            impl $crate::json::ToJson for $name {
                fn encode(
                    &self,
                    encoder: &mut $crate::json::Encoder<'_>,
                ) -> ::std::result::Result<(), $crate::json::Aborted> {
                    $crate::json::ToJson::encode(text(self), encoder)
                }

                fn is_empty(&self) -> bool {
                    text(self).is_empty()
                }
            }
        };
    )+ };

    (@text $value:ident, $name:ident::$variant:ident => $text:literal) => {
        if let $name::$variant = $value {
            return $text;
        }
    };
    (@text $value:ident, $name:ident::$variant:ident ($kept:ty)) => {
        if let $name::$variant(text) = $value {
            return text;
        }
    };
    (@variant $read:ident, $name:ident::$variant:ident => $text:literal) => {
        if $read == $text {
            return ::std::option::Option::Some($name::$variant);
        }
    };
    (@variant $read:ident, $name:ident::$variant:ident ($kept:ty)) => {
        if true {
            return ::std::option::Option::Some($name::$variant(<$kept>::from($read)));
        }
    };
    (@text $($other:tt)*) => {
        ::std::compile_error!(
            "a variant has its text, `Variant => \"text\"`, or keeps the texts that the others do \
             not have, `Variant(String)`, which comes last"
        );
    };
    (@variant $($other:tt)*) => {};

    // Checks the fields where the record is declared; those of a generic one, where it is used.
    (@resolve $name:ident) => {
        const _: &[$crate::json::record::Field] = <$name as $crate::json::record::Fields>::FIELDS;
    };
    (@resolve $name:ident $($parameters:tt)*) => {};

    // A field that is not compiled is one that is skipped, so that the others keep their numbers.
    (@cfg [#[cfg($($when:tt)*)] $($more:tt)*] [$($part:tt)*] $($words:tt)*) => {
        {
            #[cfg($($when)*)]
            { $crate::record!(@cfg [$($more)*] [$($part)*] $($words)*) }
            #[cfg(not($($when)*))]
            { $crate::record!($($part)*, skip) }
        }
    };
    (@cfg [#[$($other:tt)*] $($more:tt)*] $part:tt $($words:tt)*) => {
        $crate::record!(@cfg [$($more)*] $part $($words)*)
    };
    (@cfg [] [$($part:tt)*] $($words:tt)*) => {
        $crate::record!($($part)*, $($words)*)
    };

    (@field $field:ident $type:ty, skip) => {
        $crate::json::record::Field { skip: true, ..$crate::json::record::Field::new::<()>("", CASE) }
    };
    (@field $field:ident $type:ty, $($wire:literal)? $($word:ident)*) => {
        {
            const NAME: &$crate::json::record::Name<{ ::std::stringify!($field).len() }> =
                &$crate::json::record::Name::new(::std::stringify!($field), CASE);
            $( $crate::record!(@word $word); )*
            $crate::json::record::Field::new::<$type>(NAME.as_str(), CASE)
                $(.tag($wire))?
                $(.$word::<$type>())*
        }
    };
    (@bytes $type:ty, skip) => {
        0
    };
    (@bytes $type:ty, $($rest:tt)*) => {
        <$type as $crate::json::FromJson>::default_bytes()
    };
    (@accessor ($($borrow:tt)*) $field:ident, skip) => {
        |_| ::std::option::Option::None
    };
    (@accessor ($($borrow:tt)*) $field:ident, $($rest:tt)*) => {
        |record| ::std::option::Option::Some($($borrow)* record.$field)
    };
    (@word omitempty) => {};
    (@word quoted) => {};
    (@word embedded) => {};
    (@word required) => {};
    (@word $other:ident) => {
        ::std::compile_error!(::std::concat!(
            "record! does not know the word `", ::std::stringify!($other), "`: after `=>` come the name \
             in quotes, then `omitempty`, `quoted`, `embedded` or `required`; or `skip` alone"
        ));
    };
    ($($other:tt)*) => {
        ::std::compile_error!(
            "record! takes structs with named fields, `struct Name { field: Type => \"Name\" omitempty }` or \
             `struct Name => rename_all \"camelCase\" { … }`, \
             structs of one unnamed field, `struct Name(Type);`, and enums, `enum Name { A => \"a\" }` or \
             `enum Name { A = 1 }`; all of one kind. Structs can have lifetimes and types, `<'a, T: Bound + path::Bound>`, \
             but no constants, no other bounds and no `where`"
        );
    };
}
