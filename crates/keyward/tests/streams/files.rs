use std::fs;

use crate::stage::{Answered, assert_arrived, has_all, launch, until, user, work_and_kill};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i13_a_file_has_everything_that_a_server_answered_however_often_it_is_killed() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("audit.jsonl");
    let settings = [
        ("KIND", "file"),
        ("PATH", file.to_str().unwrap()),
        ("ROTATE_MIB", "1"),
    ];
    let launch = launch(&place.path().join("data"), &settings);
    let mut server = launch.start().await;
    let mut api = user(&server).await;
    let answered = Answered::default();
    for round in 0..4 {
        work_and_kill(server, &api, round, &answered).await;
        server = launch.start().await;
        api = server.api.by(api.token());
    }
    let all = || {
        let mut files: Vec<_> = fs::read_dir(place.path())
            .unwrap()
            .map(|it| it.unwrap().path())
            .filter(|path| path.to_string_lossy().contains("audit.jsonl"))
            .collect();
        files.sort();
        // The one that is written to has no date behind its name.
        if !files.is_empty() {
            files.rotate_left(1);
        }
        // One may be renamed between two looks: the next has all of it.
        files
            .into_iter()
            .map(|path| fs::read_to_string(path).unwrap_or_default())
            .collect::<String>()
    };
    until("the file", || async { has_all(&answered, &all()).await }).await;
    assert!(server.stop().await.success());
    assert_arrived(all().lines(), &*answered.lock().await);
}
