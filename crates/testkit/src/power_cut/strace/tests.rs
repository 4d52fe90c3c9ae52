#![allow(clippy::unwrap_used)]

use super::*;

/// As strace 6.1 writes them: `/d/a` opened and written by one thread; a second thread in between.
const WHOLE: &str = r#"4619  openat(AT_FDCWD<\x2f\x64>, "\x2f\x64\x2f\x61", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3<\x2f\x64\x2f\x61>
4619  pwrite64(3<\x2f\x64\x2f\x61>, "\x68\x69\x22\x0a\x5c", 5, 3) = 5
4619  lseek(3<\x2f\x64\x2f\x61>, 9, SEEK_SET) = 9
4619  unlink("\x2f\x64\x2f\x61")        = 0
4619  fsync(3<\x2f\x64\x2f\x61>(deleted)) = 0
4619  openat(AT_FDCWD<\x2f\x64>, "\x2f\x64\x2f\x62", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)
4619  writev(1</\x70>, [{iov_base="\x61\x62", iov_len=2}, {iov_base="\x63", iov_len=1}], 2) = 3
4619  --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=4620, si_uid=0, si_status=0} ---
4619  +++ exited with 0 +++
"#;

const BETWEEN: &str = r#"4663  pwrite64(5<\x2f\x64\x2f\x74>, "\x78", 1, 1 <unfinished ...>
4664  openat(AT_FDCWD<\x2f\x64>, "\x2f\x64\x2f\x75", O_RDWR|O_CREAT|O_CLOEXEC, 0777 <unfinished ...>
4663  <... pwrite64 resumed>)           = 1
4663  fdatasync(5<\x2f\x64\x2f\x74> <unfinished ...>
4664  <... openat resumed>)             = 6<\x2f\x64\x2f\x75>
4664  pwrite64(6<\x2f\x64\x2f\x75>, "\x79\x7a", 2, 0 <unfinished ...>
4663  <... fdatasync resumed>)          = ?
4664  +++ killed by SIGKILL +++
"#;

#[test]
fn a_whole_line_is_a_call_with_its_arguments() {
    let calls = calls(WHOLE).unwrap();
    assert_eq!(calls.len(), 7, "signals and ends are no calls");

    let open = calls[0].parts().unwrap();
    assert_eq!(open.descriptor(0).unwrap(), (None, PathBuf::from("/d")));
    assert_eq!(open.path(1).unwrap(), PathBuf::from("/d/a"));
    assert!(open.has(2, "O_CREAT") && !open.has(2, "O_TRUNC"));
    assert_eq!(open.opened().unwrap(), Some((3, PathBuf::from("/d/a"))));

    let write = calls[1].parts().unwrap();
    assert_eq!(write.bytes(1).unwrap(), b"hi\"\n\\");
    assert_eq!((write.number(3).unwrap(), write.success()), (3, Some(5)));
    assert_eq!(
        calls[1].span,
        Span {
            began: 2,
            ended: Some(3)
        }
    );
}

#[test]
fn a_descriptor_of_a_deleted_file_is_still_one() {
    let calls = calls(WHOLE).unwrap();
    let sync = calls[4].parts().unwrap();
    assert_eq!(
        sync.descriptor(0).unwrap(),
        (Some(3), PathBuf::from("/d/a"))
    );
    assert_eq!(sync.success(), Some(0));
}

#[test]
fn a_call_that_failed_returned_nothing() {
    let calls = calls(WHOLE).unwrap();
    let failed = calls[5].parts().unwrap();
    assert_eq!((failed.success(), failed.opened().unwrap()), (None, None));
    assert!(failed.result.unwrap().starts_with("-1 ENOENT"));
}

#[test]
fn a_vector_is_all_of_its_parts() {
    let calls = calls(WHOLE).unwrap();
    assert_eq!(calls[6].parts().unwrap().bytes(1).unwrap(), b"abc");
}

#[test]
fn two_lines_of_one_call_are_put_together() {
    let calls = calls(BETWEEN).unwrap();
    let spans: Vec<_> = calls
        .iter()
        .map(|call| (call.name, call.span.began, call.span.ended))
        .collect();
    assert_eq!(
        spans,
        [
            ("pwrite64", 0, Some(5)),
            ("openat", 2, Some(9)),
            ("fdatasync", 6, Some(13)),
            ("pwrite64", 10, None),
        ]
    );
    let write = calls[0].parts().unwrap();
    assert_eq!(
        (write.bytes(1).unwrap(), write.success()),
        (b"x".to_vec(), Some(1))
    );
    let opened = calls[1].parts().unwrap().opened().unwrap();
    assert_eq!(opened, Some((6, PathBuf::from("/d/u"))));
}

#[test]
fn a_call_that_the_process_did_not_survive_has_no_end() {
    let calls = calls(BETWEEN).unwrap();
    let write = calls[3].parts().unwrap();
    assert_eq!(
        (write.bytes(1).unwrap(), write.number(3).unwrap()),
        (b"yz".to_vec(), 0)
    );
    assert_eq!(write.result, None);
    assert_eq!(
        calls[2].parts().unwrap().success(),
        None,
        "it did not return"
    );
}

#[test]
fn what_is_not_all_there_is_refused() {
    let shortened = "1  write(3<\\x2f>, \"\\x68\"..., 100) = 100\n";
    let parsed = calls(shortened).unwrap();
    assert_eq!(
        parsed[0].parts().unwrap().bytes(1),
        Err(TraceError::Shortened { line: 1 })
    );

    let torn = "1  write(3<\\x2f>, \"\\x6\", 1) = 1\n";
    let parsed = calls(torn).unwrap();
    assert!(matches!(
        parsed[0].parts().unwrap().bytes(1),
        Err(TraceError::Malformed { .. })
    ));

    for text in [
        "no thread\n",
        "1  <... write resumed>) = 1\n",
        "1  fsync(3<\\x2f> <unfinished ...>\n1  <... write resumed>) = 1\n",
        "1  strange\n",
    ] {
        assert!(
            matches!(calls(text), Err(TraceError::Malformed { .. })),
            "{text}"
        );
    }
    let endless = calls("1  fsync(3<\\x2f>\n").unwrap();
    assert!(matches!(
        endless[0].parts(),
        Err(TraceError::Malformed { .. })
    ));
}
