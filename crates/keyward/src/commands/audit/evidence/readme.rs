//! What whoever opens a bundle reads first.

/// The text, with the log's name and its public key.
pub fn text(log: &str, key: &str) -> String {
    TEXT.replace("@LOG@", log).replace("@KEY@", key)
}

const TEXT: &str = r#"EVIDENCE FROM AN AUDIT LOG

Entries of the audit log

    @LOG@

each with a proof that it is in the log, under checkpoints that the log's key signed. The key is

    @KEY@

It is in key.txt as well. Whoever gives you this bundle can give you a false key with it: compare the key
with the one that you were given when the log began, or that the log's owner publishes elsewhere.


WHAT IS HERE

  manifest.json             what was asked for, how many entries of which trees, every file's SHA-256
  manifest.json.sha256      the digest of the manifest; whoever made the bundle was told it, too
  SHA256SUMS                the digests of all other files, as sha256sum reads them
  entries/000001.jsonl ...  the entries, a line each, byte for byte as they were logged
  receipts/000001.jsonl ... a line of JSON for each line of the file of the same name in entries/: the
                            entry's sequence number and its receipt
  checkpoints/SIZE-DIGEST   the signed checkpoints that the receipts rest on
  key.txt                   the log's public key (C2SP signed-note)
  audit-entry.schema.json   what the fields of an entry mean (JSON Schema 2020-12)


TO CHECK IT WITH KEYWARD

No server is needed:

    keyward audit check . --key 'THE KEY THAT YOU WERE GIVEN'

It says which file, line and entry is wrong, if any is.


TO CHECK IT WITHOUT KEYWARD

1. The files are those of the manifest:

    sha256sum --check manifest.json.sha256 SHA256SUMS

2. Take out an entry and its receipt, here the first of the first page:

    sed -n 1p entries/000001.jsonl | head -c -1 > entry.json
    sed -n 1p receipts/000001.jsonl | jq -j .receipt > entry.tlog-proof

3. entry.tlog-proof is a receipt in the form of https://c2sp.org/tlog-proof: lines for the index and the
   hashes, an empty line, and the signed checkpoint (https://c2sp.org/tlog-checkpoint: the log's name, how
   many entries it has, and the root of its Merkle tree, RFC 6962 with SHA-256). Any program for these
   formats checks the signature by the key and follows the hashes from the leaf to the root.

   A receipt without a line "extra" is for the entry itself: the leaf is SHA-256(0x00, entry).

   A receipt with a line "extra" is for an entry of a tenant's tree. The line is base64 of JSON, and the
   receipt is for the text "heads" in it, an entry of the log that holds the roots of all tenants' trees:

     a. the leaf SHA-256(0x00, entry) with "index", "size" and "path" leads to "root";
     b. the text {"kind":KIND,"root":"ROOT","size":SIZE,"tenant":"BASE64"} is the leaf that with "head" and
        "head_path" leads to details.root of details.trees leaves in "heads". KIND is "changes" if the entry
        has a field "change", otherwise "operations"; BASE64 is of SHA-256(0x00, "keyward/heads/1",
        details.log in "heads" as 16 bytes, the entry's tenant as 16 bytes);
     c. the leaf SHA-256(0x00, heads) with the receipt's own index and hashes leads to the checkpoint's root.


ENTRIES THAT STAND FOR MANY

If the manifest has "detail", uses of keys of the tenants that it names are or were counted. An entry whose
details have "count" and "began_with" stands for so many operations between "from" and "to"; one with
"count_at_most", for at most so many: the server ended before it wrote the number. "began_with" is the
sequence number of the first of these operations, an entry of its own. Refusals and failures, failed
verifications, and everything that is not a use of a key stand singly.


WHAT IT PROVES, AND WHAT NOT

Every entry here is in the log as it was signed: none was made up or altered afterwards. Where the manifest
says of a tree that as many entries are here as lie between the first and the last index, none between them
was left out, and the check sees it. What was left out before the first or behind the last, or by asking for
one key alone, no bundle can prove: the whole log can (keyward audit verify). That the checkpoints are all of
one history is shown by a copy of the log, too (keyward audit verify --since CHECKPOINT).
"#;
