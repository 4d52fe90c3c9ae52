// A witness (C2SP tlog-witness) made of the same packages: note reads and checks the log's signature,
// tlog checks the proof. What it knows of a log lies in a file of its own, size and root on a line each,
// which is read for each request, so that a test can make it know something else.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type serving struct {
	dir  string
	name string
	key  ed25519.PrivateKey
	lock sync.Mutex
}

func (s *serving) file(origin string) string {
	return filepath.Join(s.dir, fmt.Sprintf("%x", sha256.Sum256([]byte(origin))))
}

// logKey is the line of the file keys that is of this log.
func (s *serving) logKey(origin string) (note.Verifier, bool) {
	data, _ := os.ReadFile(filepath.Join(s.dir, "keys"))
	for _, line := range strings.Fields(string(data)) {
		log, err := note.NewVerifier(line)
		if err == nil && log.Name() == origin {
			return log, true
		}
	}
	return nil, false
}

func (s *serving) known(origin string) tlog.Tree {
	data, err := os.ReadFile(s.file(origin))
	if os.IsNotExist(err) {
		return tlog.Tree{}
	}
	must(err)
	lines := strings.Fields(string(data))
	size, err := strconv.ParseInt(lines[0], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[1])
	must(err)
	return tlog.Tree{N: size, Hash: root}
}

func (s *serving) add(w http.ResponseWriter, r *http.Request) {
	s.lock.Lock()
	defer s.lock.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != http.MethodPost {
		http.Error(w, "body", http.StatusBadRequest)
		return
	}
	parts := strings.SplitN(string(body), "\n\n", 2)
	head := strings.Split(parts[0], "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(head[0], "old "), 10, 64)
	if err != nil || len(parts) != 2 || len(head) > 64 {
		http.Error(w, "form", http.StatusBadRequest)
		return
	}
	var proof tlog.TreeProof
	for _, text := range head[1:] {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			http.Error(w, "proof", http.StatusBadRequest)
			return
		}
		proof = append(proof, hash)
	}
	origin := strings.SplitN(parts[1], "\n", 2)[0]
	log, found := s.logKey(origin)
	if !found {
		http.Error(w, "unknown log", http.StatusNotFound)
		return
	}
	opened, err := note.Open([]byte(parts[1]), note.VerifierList(log))
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	known := s.known(origin)
	switch {
	case old > size:
		http.Error(w, "old is larger", http.StatusBadRequest)
		return
	case old != known.N:
		w.Header().Set("Content-Type", "text/x.tlog.size")
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, "%d\n", known.N)
		return
	case known.N == 0 && len(proof) != 0, known.N == size && root != known.Hash && size > 0:
		http.Error(w, "root", http.StatusUnprocessableEntity)
		return
	case known.N > 0 && known.N < size:
		if err := tlog.CheckTree(proof, size, root, known.N, known.Hash); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
	}
	must(os.WriteFile(s.file(origin), []byte(fmt.Sprintf("%d\n%s\n", size, root)), 0o600))
	now := time.Now().Unix()
	var line bytes.Buffer
	binary.Write(&line, binary.BigEndian, keyHash(s.name, 4, s.key.Public().(ed25519.PublicKey)))
	binary.Write(&line, binary.BigEndian, uint64(now))
	line.Write(ed25519.Sign(s.key, []byte(fmt.Sprintf("cosignature/v1\ntime %d\n%s", now, opened.Text))))
	fmt.Fprintf(w, "— %s %s\n", s.name, base64.StdEncoding.EncodeToString(line.Bytes()))
}

// serveWitness answers on the address and prints it and the witness's key.
func serveWitness(dir, address string, seed byte) {
	s := &serving{dir: dir, name: fmt.Sprintf("witness-%d.example", seed), key: seeded(seed)}
	listener, err := net.Listen("tcp", address)
	must(err)
	fmt.Printf("%s %s\n", listener.Addr(), vkeyOf(s.name, 4, s.key))
	http.HandleFunc("/w/add-checkpoint", s.add)
	must(http.Serve(listener, nil))
}

// submit sends a signed checkpoint of a log that this program makes to a witness, and checks what it
// answers: prints the status, and the size or "cosigned".
func submit(url, witnessKey string, old, size int64, seed byte) {
	l := grown(size)
	var proof []tlog.Hash
	if old > 0 && old < size {
		made, err := tlog.ProveTree(size, old, l.hashes)
		must(err)
		proof = made
	}
	key := seeded(seed)
	text := fmt.Sprintf("%s\n%d\n%s\n", name, size, l.root(size))
	private := fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, keyHash(name, 1, key.Public().(ed25519.PublicKey)),
		base64.StdEncoding.EncodeToString(append([]byte{1}, key.Seed()...)))
	signer, err := note.NewSigner(private)
	must(err)
	checkpoint, err := note.Sign(&note.Note{Text: text}, signer)
	must(err)
	var body bytes.Buffer
	fmt.Fprintf(&body, "old %d\n", old)
	for _, hash := range texts(proof) {
		fmt.Fprintf(&body, "%s\n", hash)
	}
	fmt.Fprintf(&body, "\n%s", checkpoint)
	answer, err := http.Post(url+"/add-checkpoint", "text/plain", &body)
	must(err)
	said, err := io.ReadAll(answer.Body)
	must(err)
	if answer.StatusCode != http.StatusOK {
		fmt.Printf("%d %s", answer.StatusCode, said)
		return
	}
	whole := append(checkpoint, said...)
	w := witnessOf(witnessKey)
	opened, err := note.Open(whole, note.VerifierList(w))
	must(err)
	if len(opened.Sigs) != 1 || opened.Text != text {
		fail("signatures: %v", opened)
	}
	fmt.Println("200 cosigned")
}
