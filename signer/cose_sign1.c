/*
 * COSE_Sign1 with ES256 (RFC 9052 4.2 and 4.4, RFC 9053 2.1): the payload is
 * the file, detached, and the external data is empty. Strict: deterministic
 * CBOR, the algorithm in the protected header and nothing else there.
 */
#include <string.h>

#include "protocol/cbor.h"
#include "signer/hashing.h"
#include "signer/schemes.h"

enum {
	COORDINATE = 32,
	SIGNATURE = 2 * COORDINATE,
	NIL = 0xF6,
	BSTR = 0x40,
	/* RFC 9052 3.1 */
	HEADER_ALG = 1,
	HEADER_CRIT = 2,
	HEADER_KID = 4,
	KID = 8,
	HEAD_MAX = 64,
	FILE_MAX = 256
};

/* {1: -7} */
static const uint8_t protected_header[] = {0xA1, 0x01, 0x26};

/* The Sig_structure up to its payload, of which only the length is needed. */
static void
put_head(uint64_t size, struct mm_buffer *out)
{
	size_t at;

	mm_cbor_put_array(out, 4);
	mm_cbor_put_text(out, mm_span_text("Signature1"));
	mm_cbor_put_bytes(
	    out, mm_span(protected_header, sizeof(protected_header)));
	mm_cbor_put_bytes(out, mm_span("", 0));
	at = out->size;
	mm_cbor_put_uint(out, size);
	/* Heads of integers and of strings differ in the major type only. */
	if (out->error == MM_OK)
		out->data[at] |= BSTR;
}

enum mm_error
mm_cose_sign1_digest(const struct mm_image *image, uint8_t out[32])
{
	struct mm_prefix_hash whole = {.size = image->bytes.size};
	mm_auto(buffer) head = {0};
	enum mm_error error;

	mm_buffer_init(&head, HEAD_MAX);
	put_head(image->bytes.size, &head);
	if (head.error != MM_OK)
		return head.error;
	error =
	    mm_hash_prefixes(mm_buffer_span(&head), image->bytes, &whole, 1);
	if (error == MM_OK)
		memcpy(out, whole.out, 32);
	return error;
}

enum mm_error
mm_cose_sign1_attach(const struct mm_image *image, enum mm_resign resign,
    const struct mm_signed *signatures, size_t count, struct mm_attached *out)
{
	static const uint8_t nil = NIL;
	struct mm_attached made = {.count = 1};
	uint8_t raw[SIGNATURE];
	enum mm_error error;

	(void)image, (void)resign;
	if (count == 0)
		return mm_fail(MM_E_BUG, "there is no signature to write");
	error = mm_ecdsa_raw(signatures[0].signature, COORDINATE, raw);
	if (error != MM_OK)
		return error;
	mm_buffer_init(&made.own, FILE_MAX);
	mm_cbor_put_tag(&made.own, MM_CBOR_TAG_SIGN1);
	mm_cbor_put_array(&made.own, 4);
	mm_cbor_put_bytes(
	    &made.own, mm_span(protected_header, sizeof(protected_header)));
	mm_cbor_put_map(&made.own, 1);
	mm_cbor_put_int(&made.own, HEADER_KID);
	mm_cbor_put_bytes(
	    &made.own, mm_span(signatures[0].key.spki_sha256, KID));
	mm_buffer_add(&made.own, &nil, 1);
	mm_cbor_put_bytes(&made.own, mm_span(raw, sizeof(raw)));
	if (made.own.error != MM_OK) {
		error = made.own.error;
		mm_attached_clear(&made);
		return error;
	}
	made.pieces[0].bytes = mm_buffer_span(&made.own);
	*out = made;
	return MM_OK;
}

/* ---- verifying */

struct message {
	struct mm_span header, payload, signature;
	bool detached;
};

/* A key id is a hint, which nobody signs; an algorithm, or a header that must
 * be understood, has no business there. */
static enum mm_error
read_unprotected(struct mm_cbor *reader)
{
	size_t pairs = mm_cbor_map(reader);
	int64_t last = 0;

	for (size_t i = 0; i < pairs; i++) {
		int64_t label = mm_cbor_int(reader);

		if (reader->error != MM_OK)
			return MM_OK; /* as the end of the message tells */
		if (label == HEADER_ALG || label == HEADER_CRIT)
			return mm_signature_wrong(
			    "the header's label %d stands unprotected",
			    (int)label);
		/* RFC 8949 4.2.1: as bytes, 0, 1, ... come before -1, -2. */
		if (i > 0 &&
		    (last < 0 ? label >= last : label >= 0 && label <= last))
			return mm_signature_wrong(
			    "the labels of the header are not in their order");
		last = label;
		if (label == HEADER_KID)
			mm_cbor_bytes(reader);
		else
			mm_cbor_item(reader);
	}
	return MM_OK;
}

static enum mm_error
read_message(struct mm_span file, struct message *out)
{
	struct mm_cbor reader = mm_cbor(file);
	enum mm_error error;

	if (mm_cbor_tag(&reader) != MM_CBOR_TAG_SIGN1 ||
	    mm_cbor_array(&reader) != 4)
		return mm_signature_wrong(
		    "the signature is no tagged COSE_Sign1 (RFC 9052 4.2)");
	out->header = mm_cbor_bytes(&reader);
	error = read_unprotected(&reader);
	if (error != MM_OK)
		return error;
	out->detached = reader.error == MM_OK && reader.at < reader.end &&
			*reader.at == NIL;
	if (out->detached)
		reader.at++;
	else
		out->payload = mm_cbor_bytes(&reader);
	out->signature = mm_cbor_bytes(&reader);
	error = mm_cbor_end(&reader);
	return error == MM_OK
		   ? MM_OK
		   : mm_signature_wrong(
			 "the signature is no COSE_Sign1 in deterministic "
			 "CBOR: %s",
			 mm_why(error));
}

static enum mm_error
check_message(const struct mm_image *image, const struct message *message)
{
	if (!mm_span_equal(message->header,
		mm_span(protected_header, sizeof(protected_header))))
		return mm_signature_wrong(
		    "the protected header does not say ES256, and that alone");
	if (message->signature.size != SIGNATURE)
		return mm_signature_wrong(
		    "the signature has %zu bytes; ES256 has r and s of %d "
		    "each (RFC 9053 2.1)",
		    message->signature.size, COORDINATE);
	if (!message->detached &&
	    !mm_span_equal(message->payload, image->bytes))
		return mm_signature_wrong(
		    "the signature's payload is another file");
	return MM_OK;
}

enum mm_error
mm_cose_sign1_verify(const struct mm_image *image, struct mm_span signature,
    const struct mm_public_key *key, const uint8_t key_digest[32])
{
	struct message message = {.detached = false};
	mm_auto(buffer) der = {0};
	uint8_t digest[32];
	enum mm_error error =
	    mm_signature_check_p256(key, "COSE_Sign1 with ES256");

	(void)key_digest;
	mm_buffer_init(&der, MM_SIGNATURE_MAX);
	if (error == MM_OK)
		error = read_message(signature, &message);
	if (error == MM_OK)
		error = check_message(image, &message);
	if (error == MM_OK)
		error = mm_ecdsa_der(message.signature.data, COORDINATE, &der);
	if (error == MM_OK)
		error = mm_cose_sign1_digest(image, digest);
	if (error == MM_OK)
		error = mm_public_key_verify(
		    key, mm_span(digest, 32), mm_buffer_span(&der));
	return error;
}
