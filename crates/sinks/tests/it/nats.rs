//! NATS, to a listener that speaks as much of it as is needed to acknowledge, and to stop doing so. A real
//! server has its own tests with the whole program.

use std::collections::BTreeMap;
use std::time::Duration;

use keyward_sinks::{NatsSettings, Target, TlsFiles};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::stage::{PATIENCE, Stage, numbers, settings};

const INFO: &str = "INFO {\"server_id\":\"A\",\"server_name\":\"a\",\"version\":\"2.15.1\",\"proto\":1,\
                    \"host\":\"127.0.0.1\",\"port\":4222,\"headers\":true,\"max_payload\":1048576}\r\n";

/// Acknowledges so many messages, and then nothing more. None when the client is gone.
async fn acknowledge(stream: TcpStream, count: usize, say: &mpsc::Sender<String>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(INFO.as_bytes()).await.ok()?;
    let mut subscriptions = BTreeMap::new();
    let mut acknowledged = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match *words.as_slice() {
            ["PING"] => stream.write_all(b"PONG\r\n").await.ok()?,
            ["SUB", subject, id] => {
                let inbox = subject.trim_end_matches('*').to_owned();
                subscriptions.insert(inbox, id.to_owned());
            }
            ["HPUB", _, reply, head, whole] => {
                let (head, whole): (usize, usize) = (head.parse().ok()?, whole.parse().ok()?);
                let mut message = vec![0; whole + 2];
                stream.read_exact(&mut message).await.ok()?;
                if acknowledged == count {
                    continue;
                }
                acknowledged += 1;
                let entry = String::from_utf8(message[head..whole].to_vec()).unwrap();
                say.send(entry).await.ok()?;
                let (_, id) = subscriptions
                    .iter()
                    .find(|(it, _)| reply.starts_with(*it))?;
                let said = "{\"stream\":\"AUDIT\",\"seq\":1}";
                let answer = format!("MSG {reply} {id} {}\r\n{said}\r\n", said.len());
                stream.write_all(answer.as_bytes()).await.ok()?;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_a_stream_acknowledged_before_it_broke_off_is_not_sent_again() {
    let stage = Stage::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut sink = settings(Target::Nats(NatsSettings {
        address: listener.local_addr().unwrap().to_string(),
        plain: true,
        subject: "kms.audit".to_owned(),
        stream: None,
        credentials: None,
        tls: TlsFiles::default(),
    }));
    sink.pace.answer = Duration::from_secs(20);
    let (say, mut said) = mpsc::channel(1000);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let say = say.clone();
            tokio::spawn(async move { acknowledge(stream, 25, &say).await });
        }
    });
    stage.append(50).await;
    let mut running = stage.follow(&sink);
    let status = running.until(|status| status.failures > 0).await;
    assert_eq!((status.sequence, status.sent), (25, 25));
    running.has(50).await;
    let mut taken = Vec::new();
    while taken.len() < 50 {
        let entry = tokio::time::timeout(PATIENCE, said.recv()).await.unwrap();
        taken.push(entry.unwrap());
    }
    let taken = numbers(taken.iter().map(String::as_str));
    assert_eq!(taken, (1..=50).collect::<Vec<u64>>());
    running.end().await;
}
