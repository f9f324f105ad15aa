/*
 * Every error mintmark knows, in one table: the number on the wire, the name
 * that people and scripts see, the exit status of the command line, whether
 * waiting helps, and what happened in one sentence.
 *
 * A function that can fail returns enum mm_error and must be used. The place
 * that sees the fault calls mm_fail() with the particulars; whoever tells
 * somebody calls mm_why(). All processes are single-threaded, so the last
 * fault is kept like errno.
 */
#ifndef MM_ERROR_H
#define MM_ERROR_H

#include <stdbool.h>

#include "protocol/own.h"

/* DESIGN.md section 8; sysexits(3) where it has a word for it. */
enum mm_exit {
	MM_EXIT_YES = 0,
	MM_EXIT_NO = 1, /* checked, and the answer is no */
	MM_EXIT_USAGE = 64,
	MM_EXIT_DATA = 65, /* bad input */
	MM_EXIT_AWAY = 69, /* appliance or token away */
	MM_EXIT_BUG = 70,
	MM_EXIT_LATER = 75, /* try again later */
	MM_EXIT_REFUSED = 77,
	MM_EXIT_CONFIG = 78
};

/* X(NAME, number on the wire, "name", exit status, seconds to wait, "text") */
#define MM_ERRORS(X) \
	X(OK, 0, "ok", YES, 0, "no error") \
	/* what arrives cannot be read */ \
	X(CBOR, 1, "cbor-malformed", DATA, 0, \
	    "this is not one well-formed CBOR item") \
	X(CBOR_FORM, 2, "cbor-not-deterministic", DATA, 0, \
	    "the CBOR is not deterministic (RFC 8949 section 4.2.1)") \
	X(CBOR_DEPTH, 3, "cbor-too-deep", DATA, 0, \
	    "the CBOR is nested too deeply") \
	X(SHAPE, 4, "message-malformed", DATA, 0, \
	    "the message does not have the shape that mintmark.cddl gives") \
	X(TRAILING, 5, "trailing-bytes", DATA, 0, \
	    "there are bytes after the end of the item") \
	X(FRAME, 6, "frame-too-large", DATA, 0, \
	    "the frame's length is zero or over the limit") \
	X(UNKNOWN, 7, "unknown-message", DATA, 0, \
	    "there is no message of this type") \
	X(TEXT, 8, "bad-text", DATA, 0, \
	    "the text is not printable UTF-8 without control characters") \
	X(RANGE, 9, "out-of-range", DATA, 0, \
	    "a value or a length is outside its limits") \
	X(FORMAT, 10, "bad-format", DATA, 0, \
	    "the file is not what it should be") \
	/* certificate requests */ \
	X(CSR, 20, "csr-malformed", DATA, 0, "the CSR cannot be read") \
	X(CSR_SIGNATURE, 21, "csr-bad-signature", REFUSED, 0, \
	    "the CSR's own signature does not verify (proof of possession)") \
	X(KEY_TYPE, 22, "key-unsupported", REFUSED, 0, \
	    "keys of this kind or size are not allowed here") \
	X(KEY_WEAK, 23, "key-weak", REFUSED, 0, "the public key is weak") \
	X(DEVICE_ID, 24, "bad-device-id", REFUSED, 0, \
	    "a device id is 1 to 64 of A-Z a-z 0-9 . _ : -") \
	X(CERTIFICATE, 25, "certificate-not-to-profile", REFUSED, 0, \
	    "the certificate is not what its profile says") \
	X(STANDARD, 26, "certificate-not-to-standard", REFUSED, 0, \
	    "the certificate is not what its standard wants") \
	/* decisions */ \
	X(PRINCIPAL, 40, "unknown-principal", REFUSED, 0, \
	    "no principal is registered for this TLS key") \
	X(ROLE, 41, "role-not-allowed", REFUSED, 0, \
	    "the principal's role may not ask for this") \
	X(PROFILE, 42, "unknown-profile", REFUSED, 0, \
	    "the policy in force has no such profile") \
	X(PROFILE_DENIED, 43, "profile-not-allowed", REFUSED, 0, \
	    "the principal may not use this profile") \
	X(ORDER, 44, "unknown-order", REFUSED, 0, "there is no such order") \
	X(ORDER_CLOSED, 45, "order-closed", REFUSED, 0, \
	    "the order is closed or over") \
	X(ORDER_COVER, 46, "order-does-not-cover", REFUSED, 0, \
	    "the order does not cover this device") \
	X(ORDER_EXHAUSTED, 47, "order-exhausted", REFUSED, 0, \
	    "the order's number of units is used up") \
	X(DEVICE_ISSUED, 48, "device-already-issued", REFUSED, 0, \
	    "the device has a certificate for another key") \
	X(KEY_USED, 49, "key-already-used", REFUSED, 0, \
	    "the key belongs to another device") \
	X(DAILY, 50, "daily-limit", LATER, 3600, \
	    "the principal's number of certificates a day is used up") \
	X(REQUEST_REUSED, 51, "request-id-reused", REFUSED, 0, \
	    "this request id was used for a different request") \
	X(PRODUCT, 52, "unknown-product", REFUSED, 0, \
	    "the policy in force has no such product") \
	X(SCHEME, 53, "scheme-not-allowed", REFUSED, 0, \
	    "the product may not be signed by this scheme") \
	X(RELEASE, 54, "release-not-approved", REFUSED, 0, \
	    "no statement of enough officers covers this image") \
	X(IMAGE_SIZE, 55, "image-too-large", REFUSED, 0, \
	    "the image is over the limit") \
	X(UPLOAD, 56, "upload-broken", DATA, 0, \
	    "the upload's chunks do not make the image that was announced") \
	X(NOT_FOUND, 57, "not-found", NO, 0, "there is no such thing") \
	X(RELEASE_EXISTS, 58, "release-already-signed", REFUSED, 0, \
	    "another image was signed as this version of the product") \
	X(NAME_TAKEN, 59, "name-taken", REFUSED, 0, \
	    "there is one of this name already") \
	X(RATE, 60, "rate-limited", LATER, 10, \
	    "the principal asks more often than it may in a minute") \
	X(REISSUE, 61, "reissue-exhausted", REFUSED, 0, \
	    "the order's allowance of reissues is used up") \
	X(REVOKED, 62, "certificate-revoked", REFUSED, 0, \
	    "the certificate is revoked") \
	X(NO_ISSUER, 63, "issuer-without-certificate", REFUSED, 0, \
	    "the key that should issue has no certificate in force") \
	X(IMAGE, 64, "image-malformed", REFUSED, 0, \
	    "the image is not what its first bytes promise") \
	X(IMAGE_SIGNED, 65, "image-already-signed", REFUSED, 0, \
	    "the image brings a signature that ours cannot stand beside") \
	X(IMAGE_SIGNATURE, 66, "image-signature-wrong", NO, 0, \
	    "the image is not signed so by this key") \
	X(IMAGE_RULES, 67, "image-against-rules", REFUSED, 0, \
	    "the image breaks a rule of its product") \
	X(IMAGE_ABSENT, 68, "image-not-kept", REFUSED, 0, \
	    "the appliance does not have this image: submit it") \
	X(IMAGES_FULL, 69, "images-full", LATER, 3600, \
	    "too many images wait: fetch or withdraw some") \
	/* statements */ \
	X(STATEMENT, 70, "statement-malformed", DATA, 0, \
	    "this is not a COSE_Sign1 statement of mintmark") \
	X(STATEMENT_KIND, 71, "statement-wrong-kind", REFUSED, 0, \
	    "the statement is of another kind") \
	X(STATEMENT_LOG, 72, "statement-wrong-log", REFUSED, 0, \
	    "the statement is for another log") \
	X(STATEMENT_TIME, 73, "statement-expired", REFUSED, 0, \
	    "the statement is expired or from the future") \
	X(STATEMENT_OFFICER, 74, "statement-unknown-officer", REFUSED, 0, \
	    "the statement is not signed by an officer of the policy in " \
	    "force") \
	X(STATEMENT_SIGNATURE, 75, "statement-bad-signature", REFUSED, 0, \
	    "the statement's signature does not verify") \
	X(STATEMENT_FEW, 76, "statement-too-few", REFUSED, 0, \
	    "not enough officers have signed") \
	X(STATEMENT_REPLAY, 77, "statement-replayed", REFUSED, 0, \
	    "this statement is in the log already") \
	X(STATEMENT_DIFFERS, 78, "statement-differs", REFUSED, 0, \
	    "the statement says something else") \
	X(STATEMENT_WITHDRAWN, 79, "statement-withdrawn", REFUSED, 0, \
	    "the statement was withdrawn") \
	X(LOCK_OUT, 80, "policy-locks-out", REFUSED, 0, \
	    "under this policy nobody could go on") \
	X(PENDING_FULL, 81, "pending-full", LATER, 3600, \
	    "too much waits for approvals: approve or withdraw some") \
	X(PARTITION, 82, "partition-refused", REFUSED, 0, \
	    "the partition is not this device's") \
	X(PARTITION_SIGNED, 83, "partition-already-signed", REFUSED, 0, \
	    "another partition was signed for this device's certificate") \
	X(NOT_OF_ORDER, 84, "certificate-not-of-order", REFUSED, 0, \
	    "the order has issued no such certificate") \
	X(ORDER_OTHERS, 85, "order-for-others", REFUSED, 0, \
	    "the order is for other stations, or for another profile") \
	/* the log and its proofs */ \
	X(NOTE, 90, "note-malformed", DATA, 0, "this is not a signed note") \
	X(NOTE_KEY, 91, "note-unknown-key", NO, 0, \
	    "no known key has signed the note") \
	X(NOTE_SIGNATURE, 92, "note-bad-signature", NO, 0, \
	    "the note's signature does not verify") \
	X(CHECKPOINT, 93, "checkpoint-malformed", DATA, 0, \
	    "the note is not a checkpoint") \
	X(CHECKPOINT_ORIGIN, 94, "checkpoint-other-log", NO, 0, \
	    "the checkpoint is of another log") \
	X(RECEIPT, 95, "receipt-malformed", DATA, 0, \
	    "this is not a tlog-proof") \
	X(PROOF, 96, "proof-wrong", NO, 0, \
	    "the proof does not lead to the checkpoint's root") \
	X(TILE, 97, "tile-wrong", NO, 0, "a tile does not fit the tree") \
	X(BUNDLE, 98, "bundle-malformed", DATA, 0, \
	    "an entry bundle is malformed") \
	X(ENTRY, 99, "entry-malformed", DATA, 0, "this is not a log entry") \
	X(MISMATCH, 100, "receipt-mismatch", NO, 0, \
	    "the receipt's entry does not speak of this file") \
	X(VKEY, 101, "vkey-malformed", DATA, 0, "this is not a verifier key") \
	X(LOG_WRONG, 102, "log-inconsistent", NO, 0, \
	    "the log contradicts itself") \
	X(FORK, 103, "log-forked", NO, 0, \
	    "the log signed two histories of which neither extends the other") \
	X(BEHIND, 104, "checkpoint-older", NO, 0, \
	    "the checkpoint is older than one that was seen before") \
	X(COSIGNATURE, 105, "cosignature-wrong", NO, 0, \
	    "a witness's line under the checkpoint is wrong") \
	X(QUORUM, 106, "quorum-missing", NO, 0, \
	    "not enough of the witnesses have cosigned the checkpoint") \
	X(BLOB, 107, "blob-wrong", NO, 0, \
	    "a blob is missing or not what its entry says") \
	X(STRAY, 108, "file-unexpected", NO, 0, \
	    "a file does not belong to the log") \
	X(WITNESS_AWAY, 109, "witness-away", LATER, 60, \
	    "a witness cannot be reached") \
	/* the notary */ \
	X(NOTARY_POLICY, 110, "policy-not-newest", BUG, 0, \
	    "the entry names a policy that is not in force") \
	X(NOTARY_TIME, 111, "time-backwards", BUG, 0, \
	    "the entry's time is before the last entry's") \
	X(NOTARY_BATCH, 112, "batch-too-large", BUG, 0, \
	    "the batch is over its limits") \
	X(DISK_FULL, 113, "disk-full", LATER, 30, \
	    "the disk is full: nothing can be logged, so nothing is signed") \
	X(STORE, 114, "store-failed", AWAY, 0, "the log's store failed") \
	X(ROLLBACK, 115, "store-rolled-back", CONFIG, 0, \
	    "the log's store is older than its anchor: going on would fork " \
	    "the " \
	    "log") \
	X(STATE, 116, "state-not-ours", CONFIG, 0, \
	    "the state directory is not this installation's") \
	X(LOCKED, 117, "already-running", CONFIG, 0, \
	    "another mintmarkd runs on this state directory") \
	/* the token */ \
	X(MODULE, 130, "module-missing", AWAY, 0, \
	    "the PKCS#11 module cannot be loaded") \
	X(TOKEN_ABSENT, 131, "token-absent", AWAY, 0, \
	    "no token matches the URI") \
	X(TOKEN_AMBIGUOUS, 132, "token-ambiguous", CONFIG, 0, \
	    "more than one token matches the URI") \
	X(PIN, 133, "pin-wrong", CONFIG, 0, "the token refuses the PIN") \
	X(KEY_ABSENT, 134, "key-absent", CONFIG, 0, \
	    "the token lacks a key that the log names") \
	X(KEY_ATTRIBUTES, 135, "key-attributes", CONFIG, 0, \
	    "a key in the token may leave it or be misused") \
	X(TOKEN, 136, "token-failed", AWAY, 5, "the token failed") \
	X(TOKEN_UNAVAILABLE, 137, "token-unavailable", LATER, 2, \
	    "the token is not available just now") \
	X(TOKEN_REFUSED, 138, "token-refused", BUG, 0, \
	    "the token process refused to sign this entry") \
	X(TOKEN_SIGNATURE, 139, "token-bad-signature", AWAY, 0, \
	    "the token made a signature that does not verify") \
	X(TOKEN_RECORD, 140, "token-record", CONFIG, 0, \
	    "the token process's record does not fit this log") \
	/* the service */ \
	X(STARTING, 150, "starting", LATER, 1, "the appliance is starting") \
	X(STOPPING, 151, "stopping", LATER, 5, "the appliance is stopping") \
	X(BUSY, 152, "busy", LATER, 1, "too much is being asked at once") \
	X(DEADLINE, 153, "deadline", LATER, 1, "it took too long") \
	X(CLOCK_BEHIND, 154, "clock-behind", LATER, 60, \
	    "the clock is behind the log's last entry") \
	X(CLOCK_JUMPED, 155, "clock-jumped", LATER, 60, \
	    "the clock has jumped: check it, then run mintmarkd " \
	    "--accept-time") \
	X(AWAY, 156, "appliance-away", AWAY, 0, \
	    "the appliance cannot be reached") \
	X(TLS, 157, "tls-failed", AWAY, 0, "the TLS connection failed") \
	X(PEER, 158, "peer-broke-protocol", BUG, 0, \
	    "the other process broke the internal protocol") \
	X(INSPECTOR, 159, "inspector-failed", REFUSED, 0, \
	    "the image could not be inspected") \
	/* here */ \
	X(USAGE, 170, "usage", USAGE, 0, "the command line is not understood") \
	X(SETTING, 171, "bad-setting", CONFIG, 0, "a setting is wrong") \
	X(POLICY, 172, "bad-policy", CONFIG, 0, \
	    "the policy document is wrong") \
	X(EXISTS, 173, "file-exists", USAGE, 0, \
	    "the file exists already; say --force to overwrite it") \
	X(FILE, 174, "file", DATA, 0, "a file cannot be read or written") \
	X(MEMORY, 175, "out-of-memory", LATER, 1, "memory is short") \
	X(SYSTEM, 176, "system", BUG, 0, "the operating system refused") \
	X(BUG, 177, "bug", BUG, 0, "this should not happen: please report it") \
	X(HOOK, 178, "hook-failed", LATER, 0, \
	    "a hook failed; it will be told again of what it was told") \
	X(PASSPHRASE, 179, "passphrase-wrong", REFUSED, 0, \
	    "the passphrase does not open the key") \
	X(STOPPED, 180, "stopped", LATER, 0, \
	    "it was stopped before its end; say the same again") \
	X(UNITS, 181, "units-failed", NO, 0, \
	    "not every unit was made: some were refused or are scrap")

enum mm_error {
#define MM_ERROR_ENUM_(name, number, word, status, wait, text) \
	MM_E_##name = number,
	MM_ERRORS(MM_ERROR_ENUM_)
#undef MM_ERROR_ENUM_
	    MM_OK = 0
};

/*
 * Says what went wrong and returns `error`, so that one writes
 * `return mm_fail(MM_E_RANGE, "the port is %u", port);`. Control characters
 * in the text are replaced: a peer's bytes may be in it.
 */
enum mm_error mm_fail(enum mm_error error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The particulars of the last fault if it was `error`, else its table text. */
const char *mm_why(enum mm_error error);

/* The name in the table ("order-exhausted"); "unknown-error" for others. */
const char *mm_error_name(enum mm_error error);
/* What happened, as the table has it, without particulars. */
const char *mm_error_text(enum mm_error error);
/* Seconds after which asking again makes sense; 0 where it does not. */
unsigned mm_error_wait(enum mm_error error);
enum mm_exit mm_error_exit(enum mm_error error);
/* The error of this number, or MM_E_BUG where the table has none. */
enum mm_error mm_error_from(unsigned long long number);

#endif
