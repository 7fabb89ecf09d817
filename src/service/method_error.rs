//! The error of a method, and what the caller gets of it.

use std::error::Error as StdError;
use std::fmt::{self, Display};

use crate::error::Error;

/// The error of a method, without its type.
pub(super) type MethodError = Box<dyn StdError + Send + Sync>;

/// The error with which a method says that its argument is wrong. The caller gets the text of the
/// error inside, and the observer gets [`Outcome::BadArgument`](crate::Outcome::BadArgument)
/// instead of [`Outcome::Failed`](crate::Outcome::Failed).
///
/// It is for methods that decode their argument themselves, and for what a type cannot check. It
/// must be the method's error itself, boxed or not, and not a source of it.
///
/// ```
/// use urpc::{BadArgument, Service};
///
/// let service = Service::new("Math", ())
///     .method("Root", |_: &(), n: f64| match n < 0.0 {
///         true => Err(BadArgument::new("the number is negative")),
///         false => Ok(n.sqrt()),
///     });
/// ```
#[derive(Debug)]
pub struct BadArgument(MethodError);

impl BadArgument {
    /// An error with the text of `error`, and with its sources.
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> BadArgument {
        BadArgument(error.into())
    }
}

impl Display for BadArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for BadArgument {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// What the caller gets of a method's error: its text and those of its sources.
pub(super) struct WireText<'e>(pub(super) &'e (dyn StdError + 'static));

impl Display for WireText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// An error may be its own source.
        const MOST_SOURCES: usize = 32;
        // A further call's remote error is passed on as it came.
        if let Some(remote) = self.0.downcast_ref().and_then(Error::as_remote) {
            return remote.fmt(f);
        }
        write!(f, "{}", self.0)?;
        let mut error = self.0;
        for _ in 0..MOST_SOURCES {
            let Some(source) = error.source() else { break };
            write!(f, ": {source}")?;
            error = source;
        }
        Ok(())
    }
}
