//! Work that goes on to its end once it was begun, also when whoever asked for it hangs up. A handler
//! ends with its connection, at whatever it waits for; a change of the seals that took effect must
//! still be logged.

use crate::answer::Answer;
use crate::problem::Failure;

/// Does the work on a task of its own and waits for it.
pub async fn to_its_end(work: impl Future<Output = Answer> + Send + 'static) -> Answer {
    match tokio::spawn(work).await {
        Ok(answer) => answer,
        Err(_) => Err(Failure::internal("the work on a request ended early")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use futures_util::poll;
    use tokio::sync::oneshot;

    use super::*;
    use crate::answer;

    #[tokio::test]
    async fn i03_work_that_was_begun_goes_on_when_nobody_waits_for_it() {
        let (go, may_go) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let mut waiting = Box::pin(to_its_end(async move {
            may_go.await.unwrap();
            end.send("logged").unwrap();
            answer::ok(&())
        }));
        assert!(poll!(&mut waiting).is_pending());
        drop(waiting);
        go.send(()).unwrap();
        assert_eq!(ended.await.unwrap(), "logged");
    }
}
