#include "ca/revocation.h"

#include "ca/lint_parts.h"
#include "ca/tbs.h"

enum { ENUMERATED = 0x0a, SERIAL_MAX = 20, REASON_MAX = 10 };

void
mm_crl_writer_init(struct mm_crl_writer *writer, size_t max)
{
	writer->count = 0;
	mm_buffer_init(&writer->revoked, max);
}

void
mm_crl_writer_clear(struct mm_crl_writer *writer)
{
	if (writer == NULL)
		return;
	writer->count = 0;
	mm_buffer_clear(&writer->revoked);
}

/* 2.5.29.id, critical none of them (5.2, 5.3): the value's place. */
static size_t
open_extension(struct mm_buffer *out, uint8_t id, size_t *whole)
{
	const uint8_t oid[3] = {0x55, 0x1d, id};

	*whole = mm_der_open(out, MM_DER_SEQUENCE);
	mm_der_put(out, MM_DER_OID, oid, sizeof(oid));
	return mm_der_open(out, MM_DER_OCTETS);
}

/* A positive INTEGER: a zero in front of a bit that would be the sign. */
static void
put_unsigned(struct mm_buffer *out, struct mm_span magnitude)
{
	size_t opened = mm_der_open(out, MM_DER_INTEGER);

	if (magnitude.data[0] >= 0x80)
		mm_buffer_add(out, "", 1);
	mm_buffer_add(out, magnitude.data, magnitude.size);
	mm_der_close(out, opened);
}

/* 5.3.1: reasonCode; unspecified (0) is left out. */
static void
put_reason(struct mm_buffer *out, uint64_t reason)
{
	const uint8_t code = (uint8_t)reason;
	size_t whole, value;

	if (reason == 0)
		return;
	value = open_extension(out, 21, &whole);
	mm_der_put(out, ENUMERATED, &code, 1);
	mm_der_close(out, value);
	mm_der_close(out, whole);
}

/* 5.3.2: invalidityDate is a GeneralizedTime in every year. */
static void
put_since(struct mm_buffer *out, uint64_t since)
{
	size_t whole, value;

	if (since == 0)
		return;
	value = open_extension(out, 24, &whole);
	mm_der_put_generalized(out, since);
	mm_der_close(out, value);
	mm_der_close(out, whole);
}

static enum mm_error
check_revoked(
    struct mm_span serial, uint64_t date, uint64_t reason, uint64_t since)
{
	if (serial.size < 1 || serial.size > SERIAL_MAX ||
	    (serial.size == 1 && serial.data[0] == 0))
		return mm_fail(MM_E_RANGE,
		    "a revoked serial number has %zu octets or is zero",
		    serial.size);
	/* 7 is not used: RFC 5280 5.3.1. */
	if (reason > REASON_MAX || reason == 7)
		return mm_fail(MM_E_RANGE, "there is no reason %llu",
		    (unsigned long long)reason);
	if (date > MM_DER_TIME_MAX || since > MM_DER_TIME_MAX)
		return mm_fail(
		    MM_E_RANGE, "a revocation's time is after the year 9999");
	return MM_OK;
}

/* Content octets may have the sign's zero in front; written as shortest. */
static struct mm_span
strip(struct mm_span serial)
{
	while (serial.size > 1 && serial.data[0] == 0)
		serial = mm_span(serial.data + 1, serial.size - 1);
	return serial;
}

enum mm_error
mm_crl_add(struct mm_crl_writer *writer, struct mm_span serial, uint64_t date,
    uint64_t reason, uint64_t since)
{
	enum mm_error error = check_revoked(serial, date, reason, since);
	struct mm_buffer *out = &writer->revoked;
	size_t entry, extensions;

	if (error != MM_OK)
		return error;
	entry = mm_der_open(out, MM_DER_SEQUENCE);
	put_unsigned(out, strip(serial));
	mm_der_put_time(out, date);
	if (reason != 0 || since != 0) {
		extensions = mm_der_open(out, MM_DER_SEQUENCE);
		put_reason(out, reason);
		put_since(out, since);
		mm_der_close(out, extensions);
	}
	mm_der_close(out, entry);
	if (out->error != MM_OK)
		return mm_fail(out->error,
		    "the list of revoked certificates does not fit after %llu",
		    (unsigned long long)writer->count);
	writer->count++;
	return MM_OK;
}

/* 5.2.3: as short as it goes. */
static void
put_number(struct mm_buffer *out, uint64_t number)
{
	size_t whole, value = open_extension(out, 20, &whole);
	uint8_t bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(number >> 8 * (7 - i));
	put_unsigned(out, strip(mm_span(bytes, sizeof(bytes))));
	mm_der_close(out, value);
	mm_der_close(out, whole);
}

/* 5.2.1: keyIdentifier is [0]. */
static void
put_authority(struct mm_buffer *out, struct mm_span identifier)
{
	size_t whole, value = open_extension(out, 35, &whole), fields;

	fields = mm_der_open(out, MM_DER_SEQUENCE);
	mm_der_put(out, MM_DER_CONTEXT, identifier.data, identifier.size);
	mm_der_close(out, fields);
	mm_der_close(out, value);
	mm_der_close(out, whole);
}

static void
put_extensions(struct mm_buffer *out, const struct mm_crl_plan *plan,
    struct mm_span identifier)
{
	size_t tagged = mm_der_open(out, MM_DER_CONTEXT_CONSTRUCTED),
	       list = mm_der_open(out, MM_DER_SEQUENCE);

	put_authority(out, identifier);
	put_number(out, plan->number);
	mm_der_close(out, list);
	mm_der_close(out, tagged);
}

/* The issuer may sign CRLs (4.2.1.3) and has a key that can be named. */
static enum mm_error
read_issuer(const struct mm_crl_plan *plan, struct mm_lint_view *out)
{
	const char *what = "",
		   *clause = mm_lint_read(plan->issuer, false, out, &what);

	if (clause != NULL)
		return mm_fail(
		    MM_E_CERTIFICATE, "the CRL's issuer: %s: %s", clause, what);
	if (out->usage == NULL || (out->key_usage & MM_KU_CRL_SIGN) == 0)
		return mm_fail(MM_E_CERTIFICATE,
		    "the CRL's issuer: keyUsage has no cRLSign");
	if (out->ski.size == 0)
		return mm_fail(MM_E_CERTIFICATE,
		    "the CRL's issuer: it has no subjectKeyIdentifier");
	if (plan->next_update <= plan->this_update ||
	    plan->next_update > MM_DER_TIME_MAX)
		return mm_fail(MM_E_CERTIFICATE,
		    "the CRL's nextUpdate is not after its thisUpdate");
	return MM_OK;
}

/* A header before bytes that are there already: nothing is moved. */
static void
put_header(struct mm_buffer *out, unsigned tag, size_t length)
{
	uint8_t head[6] = {(uint8_t)tag};
	size_t octets = 0;

	if (length >= 0x80)
		for (size_t rest = length; rest > 0; rest >>= 8)
			octets++;
	head[1] = (uint8_t)(octets == 0 ? length : 0x80 | octets);
	for (size_t i = 0; i < octets; i++)
		head[2 + i] = (uint8_t)(length >> 8 * (octets - 1 - i));
	mm_buffer_add(out, head, 2 + octets);
}

enum { LENGTH_MOST = 6 };

enum mm_error
mm_crl_finish(const struct mm_crl_writer *writer,
    const struct mm_crl_plan *plan, struct mm_buffer *out)
{
	const struct mm_buffer *revoked = &writer->revoked;
	mm_auto(buffer) before = {0};
	mm_auto(buffer) after = {0};
	struct mm_lint_view issuer;
	enum mm_error error = read_issuer(plan, &issuer);

	if (error != MM_OK)
		return error;
	if (revoked->error != MM_OK)
		return mm_fail(revoked->error,
		    "the list of revoked certificates was not completed");
	mm_buffer_init(&before, 2 * MM_TBS_MAX);
	mm_buffer_init(&after, 256);
	mm_der_put(&before, MM_DER_INTEGER, "\1", 1); /* version 2 */
	mm_buffer_add(&before, mm_ecdsa_sha256.data, mm_ecdsa_sha256.size);
	mm_buffer_add(
	    &before, issuer.subject.der.data, issuer.subject.der.size);
	mm_der_put_time(&before, plan->this_update);
	mm_der_put_time(&before, plan->next_update);
	/* 5.1.2.6: where nobody is revoked, the list is absent. */
	if (writer->count > 0)
		put_header(&before, MM_DER_SEQUENCE, revoked->size);
	put_extensions(&after, plan, issuer.ski);
	if (before.error != MM_OK || after.error != MM_OK)
		return mm_fail(MM_E_MEMORY, "no memory for a CRL");
	if (before.size + revoked->size + after.size > UINT32_MAX - LENGTH_MOST)
		return mm_fail(MM_E_RANGE, "the CRL is too large");
	put_header(
	    out, MM_DER_SEQUENCE, before.size + revoked->size + after.size);
	mm_buffer_add(out, before.data, before.size);
	mm_buffer_add(out, revoked->data, revoked->size);
	mm_buffer_add(out, after.data, after.size);
	return out->error == MM_OK
		   ? MM_OK
		   : mm_fail(out->error, "the CRL does not fit: %s",
			 mm_error_text(out->error));
}

/* RFC 5280 5.1.1: as a certificate's. */
enum mm_error
mm_crl_assemble(
    struct mm_span tbs, struct mm_span signature, struct mm_buffer *out)
{
	size_t bits = 1 + signature.size, value = bits + (bits < 0x80 ? 2 : 3);

	if (signature.size == 0 || bits > 0xff)
		return mm_fail(
		    MM_E_RANGE, "the signature has %zu bytes", signature.size);
	put_header(
	    out, MM_DER_SEQUENCE, tbs.size + mm_ecdsa_sha256.size + value);
	mm_buffer_add(out, tbs.data, tbs.size);
	mm_buffer_add(out, mm_ecdsa_sha256.data, mm_ecdsa_sha256.size);
	put_header(out, MM_DER_BITS, bits);
	mm_buffer_add(out, "", 1); /* no unused bits */
	mm_buffer_add(out, signature.data, signature.size);
	return out->error == MM_OK
		   ? MM_OK
		   : mm_fail(out->error, "the CRL does not fit: %s",
			 mm_error_text(out->error));
}
