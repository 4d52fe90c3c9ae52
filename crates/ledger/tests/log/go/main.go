// Reads and writes logs with the packages of the Go project's checksum database, as Debian ships
// them (golang.org/x/mod/sumdb/{note,tlog}), so that what Keyward writes is checked by code that it
// does not share.
//
//	verify DIR VKEY WITNESS-VKEY < proofs.json   checks a log in C2SP tiles, and proofs about it
//	checkpoint FILE VKEY                         checks who signed a checkpoint
//	receipt FILE ENTRY VKEY                      checks a C2SP tlog-proof
//	entry FILE VKEY                              checks the signature that an entry carries itself
//	verify-copy DIR VKEY WITNESS-VKEY... < {}    the same, cosigned by all of these
//	make DIR SIZE SEED                           writes such a log, its proofs to standard output
//	vectors                                      prints tests/vectors/log.json
//	witness DIR ADDRESS SEED                     serves as a witness of the logs in DIR/keys
//	submit URL WITNESS-VKEY OLD SIZE SEED        has a witness cosign a log of that size
//	vkey SEED                                    the key of that log
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Index int64    `json:"index"`
	Size  int64    `json:"size"`
	Path  []string `json:"path"`
}

type consistency struct {
	Old   int64    `json:"old"`
	New   int64    `json:"new"`
	Proof []string `json:"proof"`
}

type proofs struct {
	Inclusion   []inclusion   `json:"inclusion"`
	Consistency []consistency `json:"consistency"`
}

func fail(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

func must(err error) {
	if err != nil {
		fail("%v", err)
	}
}

// c2sp is where C2SP has what this package calls by another path.
func c2sp(t tlog.Tile) string {
	path := strings.Replace(t.Path(), "tile/8/", "tile/", 1)
	return strings.Replace(path, "tile/data/", "tile/entries/", 1)
}

// witness verifies cosignatures: type 0x04.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(msg, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	time := binary.BigEndian.Uint64(sig)
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, msg)
	return ed25519.Verify(w.key, []byte(signed), sig[8:])
}

func keyHash(name string, kind byte, key []byte) uint32 {
	sum := sha256.Sum256([]byte(name + "\n" + string(kind) + string(key)))
	return binary.BigEndian.Uint32(sum[:])
}

func witnessOf(vkey string) witness {
	parts := strings.SplitN(vkey, "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	must(err)
	if key[0] != 4 {
		fail("%s is no witness", vkey)
	}
	w := witness{parts[0], keyHash(parts[0], 4, key[1:]), key[1:]}
	if fmt.Sprintf("%08x", w.hash) != parts[1] {
		fail("%s has another id than its key", vkey)
	}
	return w
}

type directory string

func (d directory) Height() int { return 8 }
func (d directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		data, err := os.ReadFile(filepath.Join(string(d), c2sp(t)))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}
func (d directory) SaveTiles([]tlog.Tile, [][]byte) {}

func open(dir, vkey string, witnessKeys ...string) (tlog.Tree, []byte) {
	data, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	must(err)
	return openNote(data, vkey, witnessKeys...), data
}

func openNote(data []byte, vkey string, witnessKeys ...string) tlog.Tree {
	log, err := note.NewVerifier(vkey)
	must(err)
	known := []note.Verifier{log}
	for _, key := range witnessKeys {
		if key != "" {
			known = append(known, witnessOf(key))
		}
	}
	opened, err := note.Open(data, note.VerifierList(known...))
	must(err)
	// While a log is handed over, its other key has signed too.
	others := 0
	for _, sig := range opened.UnverifiedSigs {
		if sig.Name != log.Name() {
			others++
		}
	}
	if len(opened.Sigs) != len(known) || others != 0 {
		fail("signatures: %v", opened)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != log.Name() {
		fail("not a checkpoint of %s: %q", log.Name(), opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	return tlog.Tree{N: size, Hash: root}
}

// receipt checks a C2SP tlog-proof without extra data.
func receipt(file, entry, vkey string) {
	data, err := os.ReadFile(file)
	must(err)
	leaf, err := os.ReadFile(entry)
	must(err)
	head, checkpoint, found := strings.Cut(string(data), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" {
		fail("not a receipt: %q", head)
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[1], "index "), 10, 64)
	must(err)
	tree := openNote([]byte(checkpoint), vkey, "")
	must(tlog.CheckRecord(parse(lines[2:]), tree.N, tree.Hash, index, tlog.RecordHash(leaf)))
	fmt.Printf("entry %d of %d\n", index, tree.N)
}

// entry checks the signature in an entry of Keyward's, as the signed note that it is: the key is the log's, under the
// name that all entries are signed under.
func entry(file, vkey string) {
	data, err := os.ReadFile(file)
	must(err)
	var marks struct{ Signature, Action string }
	must(json.Unmarshal(data, &marks))
	field := fmt.Sprintf(",\"signature\":%q", marks.Signature)
	if strings.Count(string(data), field) != 1 {
		fail("no signature, or several: %s", data)
	}
	bare := strings.Replace(string(data), field, "", 1)
	const name = "keyward-audit-entry"
	key, err := base64.StdEncoding.DecodeString(strings.SplitN(vkey, "+", 3)[2])
	must(err)
	log, err := note.NewVerifier(fmt.Sprintf("%s+%08x+%s", name, keyHash(name, key[0], key[1:]),
		base64.StdEncoding.EncodeToString(key)))
	must(err)
	signed := fmt.Sprintf("keyward audit entry 1\n%s\n\n— %s %s\n", bare, name, marks.Signature)
	_, err = note.Open([]byte(signed), note.VerifierList(log))
	must(err)
	fmt.Printf("%s\n", marks.Action)
}

func parse(texts []string) []tlog.Hash {
	hashes := []tlog.Hash{}
	for _, text := range texts {
		hash, err := tlog.ParseHash(text)
		must(err)
		hashes = append(hashes, hash)
	}
	return hashes
}

func verify(dir, vkey string, witnessKeys ...string) {
	tree, _ := open(dir, vkey, witnessKeys...)
	reader := tlog.TileHashReader(tree, directory(dir))
	root, err := tlog.TreeHash(tree.N, reader)
	must(err)
	if root != tree.Hash {
		fail("root")
	}
	leaves := make([]tlog.Hash, tree.N)
	for index := int64(0); index < tree.N; {
		t := tlog.Tile{H: 8, L: -1, N: index / 256, W: 256}
		if rest := tree.N - index; rest < 256 {
			t.W = int(rest)
		}
		data, err := os.ReadFile(filepath.Join(dir, c2sp(t)))
		must(err)
		for end := index + int64(t.W); index < end; index++ {
			length := int(binary.BigEndian.Uint16(data))
			leaves[index] = tlog.RecordHash(data[2 : 2+length])
			data = data[2+length:]
			stored, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			must(err)
			if stored[0] != leaves[index] {
				fail("entry %d", index)
			}
		}
		if len(data) != 0 {
			fail("bytes behind the last entry of a bundle")
		}
	}
	var claimed proofs
	must(json.NewDecoder(os.Stdin).Decode(&claimed))
	for _, p := range claimed.Inclusion {
		root, err := tlog.TreeHash(p.Size, reader)
		must(err)
		must(tlog.CheckRecord(parse(p.Path), p.Size, root, p.Index, leaves[p.Index]))
	}
	for _, p := range claimed.Consistency {
		before, err := tlog.TreeHash(p.Old, reader)
		must(err)
		after, err := tlog.TreeHash(p.New, reader)
		must(err)
		must(tlog.CheckTree(parse(p.Proof), p.New, after, p.Old, before))
	}
	fmt.Printf("%d entries, %d proofs, %d growths\n", tree.N, len(claimed.Inclusion), len(claimed.Consistency))
}

type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var all []tlog.Hash
	for _, index := range indexes {
		all = append(all, m[index])
	}
	return all, nil
}

func texts(hashes []tlog.Hash) []string {
	all := []string{}
	for _, hash := range hashes {
		all = append(all, hash.String())
	}
	return all
}

type log struct {
	hashes  memory
	entries [][]byte
}

func (l *log) add(entry string) {
	more, err := tlog.StoredHashes(int64(len(l.entries)), []byte(entry), l.hashes)
	must(err)
	l.hashes = append(l.hashes, more...)
	l.entries = append(l.entries, []byte(entry))
}

func grown(size int64) log {
	var l log
	for index := int64(0); index < size; index++ {
		// A fork of the log has other entries.
		l.add(fmt.Sprintf("entry %d%s", index, os.Getenv("FORK")))
	}
	return l
}

// three is the log of the worked example: what Keyward's entries look like.
var three = []string{
	`{"action":"key.create","correlation_id":"req-1","outcome":"ok"}`,
	`{"action":"key.encrypt","correlation_id":"req-2","outcome":"ok"}`,
	`{"action":"key.encrypt","correlation_id":"req-2","outcome":"refused"}`,
}

func (l log) root(size int64) tlog.Hash {
	root, err := tlog.TreeHash(size, l.hashes)
	must(err)
	return root
}

func (l log) leaf(index int64) string {
	return tlog.RecordHash(l.entries[index]).String()
}

func (l log) proofs(size int64) proofs {
	var all proofs
	for _, of := range []int64{1, 2, 3, 255, 256, 257, size} {
		if of > size {
			continue
		}
		for _, index := range []int64{0, of / 2, of - 1} {
			path, err := tlog.ProveRecord(of, index, l.hashes)
			must(err)
			all.Inclusion = append(all.Inclusion, inclusion{index, of, texts(path)})
		}
		proof, err := tlog.ProveTree(size, of, l.hashes)
		must(err)
		all.Consistency = append(all.Consistency, consistency{of, size, texts(proof)})
	}
	return all
}

const name = "keys.example/audit"
const witnessName = "witness.example"

func seeded(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, 32))
}

func vkeyOf(name string, kind byte, key ed25519.PrivateKey) string {
	public := key.Public().(ed25519.PublicKey)
	encoded := base64.StdEncoding.EncodeToString(append([]byte{kind}, public...))
	return fmt.Sprintf("%s+%08x+%s", name, keyHash(name, kind, public), encoded)
}

// signed is a checkpoint with the log's signature and a witness's.
func signed(size int64, root tlog.Hash, seed byte) string {
	key := seeded(seed)
	private := fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, keyHash(name, 1, key.Public().(ed25519.PublicKey)),
		base64.StdEncoding.EncodeToString(append([]byte{1}, key.Seed()...)))
	signer, err := note.NewSigner(private)
	must(err)
	text := fmt.Sprintf("%s\n%d\n%s\n", name, size, root)
	msg, err := note.Sign(&note.Note{Text: text}, signer)
	must(err)
	other := seeded(seed + 1)
	const time = 1795000000
	var line bytes.Buffer
	binary.Write(&line, binary.BigEndian, keyHash(witnessName, 4, other.Public().(ed25519.PublicKey)))
	binary.Write(&line, binary.BigEndian, uint64(time))
	line.Write(ed25519.Sign(other, []byte(fmt.Sprintf("cosignature/v1\ntime %d\n%s", time, text))))
	return string(msg) + fmt.Sprintf("— %s %s\n", witnessName, base64.StdEncoding.EncodeToString(line.Bytes()))
}

func makeLog(dir string, size int64, seed byte) {
	l := grown(size)
	write := func(path string, data []byte) {
		path = filepath.Join(dir, path)
		must(os.MkdirAll(filepath.Dir(path), 0o700))
		must(os.WriteFile(path, data, 0o600))
	}
	for _, t := range tlog.NewTiles(8, 0, size) {
		data, err := tlog.ReadTileData(t, l.hashes)
		must(err)
		write(c2sp(t), data)
		if t.L == 0 {
			var bundle bytes.Buffer
			for _, entry := range l.entries[t.N*256 : t.N*256+int64(t.W)] {
				binary.Write(&bundle, binary.BigEndian, uint16(len(entry)))
				bundle.Write(entry)
			}
			t.L = -1
			write(c2sp(t), bundle.Bytes())
		}
	}
	write("checkpoint", []byte(signed(size, l.root(size), seed)))
	must(json.NewEncoder(os.Stdout).Encode(l.proofs(size)))
}

func vectors() {
	const size = 300
	l := grown(size)
	all := l.proofs(size)
	roots := map[string]string{}
	for _, of := range []int64{1, 2, 3, 255, 256, 257, 300} {
		roots[strconv.FormatInt(of, 10)] = l.root(of).String()
	}
	checkpoint := signed(size, l.root(size), 1)
	path, err := tlog.ProveRecord(size, 257, l.hashes)
	must(err)
	receipt := "c2sp.org/tlog-proof@v1\nindex 257\n" + strings.Join(texts(path), "\n") + "\n\n" + checkpoint
	var small log
	for _, entry := range three {
		small.add(entry)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", " ")
	encoder.SetEscapeHTML(false)
	must(encoder.Encode(map[string]interface{}{
		"about": "A log of 300 entries, made by golang.org/x/mod/sumdb: entry n is the text \"entry n\". " +
			"The log's Ed25519 seed is 32 bytes of 0x01, the witness's 32 bytes of 0x02.",
		"vkey":          vkeyOf(name, 1, seeded(1)),
		"witness_vkey":  vkeyOf(witnessName, 4, seeded(2)),
		"roots":         roots,
		"inclusion":     all.Inclusion,
		"consistency":   all.Consistency,
		"checkpoint":    checkpoint,
		"receipt":       receipt,
		"receipt_entry": base64.StdEncoding.EncodeToString(l.entries[257]),
		"small": map[string]interface{}{
			"about":      "A log of three entries, the worked example of docs/formats/transparency-log.md.",
			"entries":    three,
			"leaves":     []string{small.leaf(0), small.leaf(1), small.leaf(2)},
			"checkpoint": signed(3, small.root(3), 1),
		},
	}))
}

func main() {
	args := os.Args[1:]
	switch {
	case len(args) == 4 && args[0] == "verify":
		verify(args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "checkpoint":
		data, err := os.ReadFile(args[1])
		must(err)
		fmt.Printf("%d entries\n", openNote(data, args[2], "").N)
	case len(args) == 4 && args[0] == "receipt":
		receipt(args[1], args[2], args[3])
	case len(args) == 3 && args[0] == "entry":
		entry(args[1], args[2])
	case len(args) > 3 && args[0] == "verify-copy":
		verify(args[1], args[2], args[3:]...)
	case len(args) == 4 && args[0] == "make":
		size, err := strconv.ParseInt(args[2], 10, 64)
		must(err)
		seed, err := strconv.ParseUint(args[3], 10, 8)
		must(err)
		makeLog(args[1], size, byte(seed))
	case len(args) == 4 && args[0] == "witness":
		seed, err := strconv.ParseUint(args[3], 10, 8)
		must(err)
		serveWitness(args[1], args[2], byte(seed))
	case len(args) == 6 && args[0] == "submit":
		var numbers []int64
		for _, text := range args[3:] {
			number, err := strconv.ParseInt(text, 10, 64)
			must(err)
			numbers = append(numbers, number)
		}
		submit(args[1], args[2], numbers[0], numbers[1], byte(numbers[2]))
	case len(args) == 2 && args[0] == "vkey":
		seed, err := strconv.ParseUint(args[1], 10, 8)
		must(err)
		fmt.Println(vkeyOf(name, 1, seeded(byte(seed))))
	case len(args) == 1 && args[0] == "vectors":
		vectors()
	default:
		fail("usage: verify DIR VKEY WITNESS-VKEY | verify-copy DIR VKEY WITNESS-VKEY... | checkpoint FILE VKEY | receipt FILE ENTRY VKEY | entry FILE VKEY |" +
			" make DIR SIZE SEED | vectors | vkey SEED | witness DIR ADDRESS SEED | submit URL WITNESS-VKEY OLD SIZE SEED")
	}
}
