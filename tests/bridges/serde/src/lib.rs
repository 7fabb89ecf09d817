//! serde's types over urpc: calls and methods whose arguments and results any `derive` can make.
//!
//! serde_json is stricter than Go: names must match in case, a missing member is an error without
//! `#[serde(default)]`, and `null` fits only an `Option` and `()`. Files are no part of the JSON.

use std::error::Error as StdError;
use std::os::fd::BorrowedFd;

use serde::{Serialize, de::DeserializeOwned};
use urpc::json::RawJson;
use urpc::{BadArgument, Client, Files, Service};

/// Why a call with serde's types failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error(transparent)]
    Urpc(#[from] urpc::Error),
    #[error("{0}: the argument is no JSON")]
    Argument(String, #[source] serde_json::Error),
    #[error("{0}: the result does not fit its type")]
    Result(String, #[source] serde_json::Error),
}

/// Calls a method without files. Files that come back are closed.
pub fn call_serde<T, R>(client: &Client, method: &str, arg: &T) -> Result<R, CallError>
where
    T: Serialize + ?Sized,
    R: DeserializeOwned,
{
    call_serde_files(client, method, arg, &[]).map(|(result, _)| result)
}

/// Calls a method with files, and gives the result and the files that came with it.
pub fn call_serde_files<T: Serialize + ?Sized, R: DeserializeOwned>(
    client: &Client,
    method: &str,
    arg: &T,
    files: &[BorrowedFd<'_>],
) -> Result<(R, Files), CallError> {
    let arg = serde_json::to_vec(arg).map_err(|e| CallError::Argument(method.into(), e))?;
    let (result, files) = client.call_raw(method, &arg, files)?;
    let result = serde_json::from_slice(result.as_bytes());
    Ok((result.map_err(|e| CallError::Result(method.into(), e))?, files))
}

/// Adds a method. It gets the files of the call, and its error may be `anyhow::Error` or any other:
/// the caller gets its text and those of its sources.
pub fn method_serde<T: Send + Sync + 'static, A: DeserializeOwned, R: Serialize, E>(
    service: Service<T>,
    name: &str,
    function: impl Fn(&T, A, Files) -> Result<R, E> + Send + Sync + 'static,
) -> Service<T>
where
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    service.raw_method(name, move |object, arg, files, _| {
        let arg = serde_json::from_slice(arg).map_err(BadArgument::new)?;
        let result = serde_json::to_vec(&function(object, arg, files).map_err(Into::into)?)?;
        Ok::<_, Box<dyn StdError + Send + Sync>>((RawJson::new(result), Files::new()))
    })
}
