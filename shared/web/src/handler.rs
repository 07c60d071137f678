//! Handlers: an `async fn` is a handler if its first argument is the context, its second an [`Identity`], every other
//! an extractor, and if it returns an [`Answer`].

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use crate::answer::Answer;
use crate::authenticate::Identity;
use crate::extract::FromRequest;
use crate::failure::Failure;
#[cfg(not(target_family = "wasm"))]
use crate::openapi::Described;
use crate::request::{Request, Response};

/// A handler of requests by `Caller`. `Arguments` are the types of the handler's arguments after the context.
pub trait Handler<C, Caller, Arguments>: 'static {
    /// Admits the caller, reads the arguments in their order, and answers the request.
    fn call<'a>(
        &'a self,
        context: &'a C,
        caller: Caller,
        request: &'a mut Request,
    ) -> LocalBoxFuture<'a, Result<Response, Failure>>;

    /// Describes the arguments and the answer in the OpenAPI document.
    #[cfg(not(target_family = "wasm"))]
    fn describe(operation: &mut Described<'_>);
}

/// Implements [`Handler`] for functions with these extractors.
macro_rules! handler {
    ($($extractor:ident),*) => {
        impl<C, Caller, F, I, $($extractor,)* A, E> Handler<C, Caller, (I, $($extractor,)*)> for F
        where
            C: 'static,
            Caller: 'static,
            F: AsyncFn(&C, I, $($extractor),*) -> Result<A, E> + 'static,
            I: Identity<Caller>,
            $($extractor: FromRequest,)*
            A: Answer,
            E: Into<Failure>,
        {
            #[allow(unused_variables, non_snake_case)] // none for `handler!()`; variables named like types
            fn call<'a>(
                &'a self,
                context: &'a C,
                caller: Caller,
                request: &'a mut Request,
            ) -> LocalBoxFuture<'a, Result<Response, Failure>> {
                async move {
                    let identity = I::admit(caller)?;
                    $(let $extractor = $extractor::from_request(request)?;)*
                    let answer = self(context, identity, $($extractor),*).await.map_err(Into::into)?;
                    Ok(answer.into_response()?)
                }
                .boxed_local()
            }

            #[cfg(not(target_family = "wasm"))]
            #[allow(unused_variables)]
            fn describe(operation: &mut Described<'_>) {
                $($extractor::describe(operation);)*
                A::describe(operation);
            }
        }
    };
}

handler!();
handler!(X1);
handler!(X1, X2);
handler!(X1, X2, X3);
handler!(X1, X2, X3, X4);
