/*
 * DER in the log, shown: certificates, CSRs and CRLs before they are signed,
 * certificates that others have made, and public keys.
 */
#include <string.h>

#include "ca/certificate.h"
#include "ca/crl.h"
#include "cli/json_value.h"

enum { ARENA = 65536, LISTED_MAX = 4096 };

/* --- keys --- */

static json_t *
show_key(const struct mm_key *key)
{
	return json_pack("{s:s, s:I, s:o}", "type", mm_key_type_name(key->type),
	    "bits", (json_int_t)key->bits, "sha256",
	    mm_json_hex(mm_span(key->sha256, sizeof(key->sha256))));
}

json_t *
mm_view_spki(const struct mm_field *field, const void *member)
{
	struct mm_span spki = *(const struct mm_span *)member;
	struct mm_key key;
	json_t *out;

	(void)field;
	if (mm_key_read(spki, &key) != MM_OK)
		return mm_json_unreadable(spki);
	out = show_key(&key);
	json_object_set_new(out, "der", mm_json_hex(spki));
	return out;
}

/* RFC 5280 4.2.1.3, bit 0 first. */
json_t *
mm_view_key_usage(const struct mm_field *field, const void *member)
{
	static const char *const names[] = {"digitalSignature",
	    "nonRepudiation", "keyEncipherment", "dataEncipherment",
	    "keyAgreement", "keyCertSign", "cRLSign", "encipherOnly",
	    "decipherOnly"};
	uint64_t bits = *(const uint64_t *)member;
	json_t *out = json_array();

	(void)field;
	for (size_t i = 0; i < MM_COUNT(names); i++)
		if ((bits >> i & 1) != 0)
			json_array_append_new(out, json_string(names[i]));
	return out;
}

/* --- names --- */

/* RFC 4514 section 3, or the OID. */
static const char *
short_name(const char *oid)
{
	static const struct {
		const char *oid, *name;
	} names[] = {{"2.5.4.3", "CN"}, {"2.5.4.5", "serialNumber"},
	    {"2.5.4.6", "C"}, {"2.5.4.7", "L"}, {"2.5.4.8", "ST"},
	    {"2.5.4.10", "O"}, {"2.5.4.11", "OU"},
	    {"0.9.2342.19200300.100.1.25", "DC"}};

	for (size_t i = 0; i < MM_COUNT(names); i++)
		if (strcmp(oid, names[i].oid) == 0)
			return names[i].name;
	return oid;
}

/* {"CN": "lamp-1"}, one attribute. */
static json_t *
show_attribute(struct mm_der *rdn)
{
	struct mm_der attribute = mm_der_enter(rdn, MM_DER_SEQUENCE);
	struct mm_span oid = mm_der_take(&attribute, MM_DER_OID);
	char text[MM_OID_TEXT_SIZE];
	struct mm_span value;
	unsigned tag;

	value = mm_der_any(&attribute, &tag);
	if (!mm_der_end(&attribute) || !mm_der_oid_text(oid, text))
		return NULL;
	return json_pack("{s:o}", short_name(text), mm_json_text(value));
}

static json_t *
show_name(struct mm_span name)
{
	struct mm_der der = mm_der(name);
	struct mm_der rdns = mm_der_enter(&der, MM_DER_SEQUENCE);
	json_t *out = json_array();

	while (mm_der_more(&rdns)) {
		struct mm_der rdn = mm_der_enter(&rdns, MM_DER_SET);

		while (mm_der_more(&rdn)) {
			json_t *attribute = show_attribute(&rdn);

			if (attribute == NULL) {
				json_decref(out);
				return mm_json_unreadable(name);
			}
			json_array_append_new(out, attribute);
		}
	}
	return out;
}

/* --- certificates --- */

static json_t *
show_tbs(const struct mm_tbs *tbs)
{
	json_t *purposes = json_array(), *out;

	for (mm_list_each(const struct mm_text_item, item, tbs->purposes))
		json_array_append_new(purposes, mm_json_text(item->value));
	out = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}",
	    "serial", mm_json_hex(mm_span(tbs->serial, sizeof(tbs->serial))),
	    "issuer", show_name(tbs->issuer), "not_before",
	    mm_json_time(tbs->not_before), "not_after",
	    mm_json_time(tbs->not_after), "subject", show_name(tbs->subject),
	    "key", show_key(&tbs->key), "key_usage",
	    mm_view_key_usage(NULL, &tbs->key_usage), "purposes", purposes,
	    "ca", tbs->ca);
	if (tbs->path)
		json_object_set_new(
		    out, "path_length", mm_json_number(tbs->path_length));
	return out;
}

/* `der`: what stands in the log, of which `tbs` is a part. */
static json_t *
view_tbs(struct mm_span tbs, struct mm_span der)
{
	mm_auto(arena) arena = {0};
	struct mm_tbs read;
	json_t *out;

	mm_arena_init(&arena, ARENA);
	if (mm_tbs_read(tbs, &arena, &read) != MM_OK)
		return mm_json_unreadable(der);
	out = show_tbs(&read);
	json_object_set_new(out, "der", mm_json_hex(der));
	return out;
}

json_t *
mm_view_tbs(const struct mm_field *field, const void *member)
{
	struct mm_span bytes = *(const struct mm_span *)member;

	(void)field;
	return view_tbs(bytes, bytes);
}

/* By a CA outside, whose serial numbers need not be like ours. */
json_t *
mm_view_certificate(const struct mm_field *field, const void *member)
{
	struct mm_span bytes = *(const struct mm_span *)member;
	mm_auto(buffer) tbs = {0};

	(void)field;
	mm_buffer_init(&tbs, bytes.size + 1);
	if (mm_certificate_tbs(bytes, &tbs) != MM_OK)
		return mm_json_unreadable(bytes);
	return view_tbs(mm_buffer_span(&tbs), bytes);
}

json_t *
mm_view_certificates(const struct mm_field *field, const void *member)
{
	const struct mm_list *list = member;
	json_t *out = json_array();

	for (mm_list_each(const struct mm_bytes_item, item, *list))
		json_array_append_new(
		    out, mm_view_certificate(field, &item->value));
	return out;
}

/* RFC 2986 4.1: version, subject, key, attributes. */
json_t *
mm_view_request(const struct mm_field *field, const void *member)
{
	struct mm_span bytes = *(const struct mm_span *)member;
	struct mm_der der = mm_der(bytes);
	struct mm_der info = mm_der_enter(&der, MM_DER_SEQUENCE);
	struct mm_span subject, spki;

	mm_der_unsigned(&info);
	subject = mm_der_whole(&info, MM_DER_SEQUENCE);
	spki = mm_der_whole(&info, MM_DER_SEQUENCE);
	if (info.bad)
		return mm_json_unreadable(bytes);
	return json_pack("{s:o, s:o, s:o}", "subject", show_name(subject),
	    "key", mm_view_spki(field, &spki), "der", mm_json_hex(bytes));
}

/* --- CRLs: RFC 5280 5.1 --- */

static json_t *
show_listed(const struct mm_crl_revoked *one)
{
	const char *reason =
	    one->has_reason ? mm_revocation_reason(one->reason) : NULL;
	json_t *out = json_pack("{s:o, s:o}", "serial",
	    mm_json_hex(one->serial), "date", mm_json_time(one->date));

	if (reason != NULL)
		json_object_set_new(out, "reason", json_string(reason));
	return out;
}

/* Of a million revoked the first ones are shown: the CRL itself has all. */
static json_t *
show_revoked(struct mm_der *list)
{
	json_t *out = json_array();

	while (mm_der_more(list) && json_array_size(out) < LISTED_MAX) {
		struct mm_crl_revoked one;

		if (mm_crl_next(list, &one) != MM_OK) {
			json_decref(out);
			return NULL;
		}
		json_array_append_new(out, show_listed(&one));
	}
	return out;
}

json_t *
mm_view_crl(const struct mm_field *field, const void *member)
{
	struct mm_span bytes = *(const struct mm_span *)member;
	struct mm_der der = mm_der(bytes);
	struct mm_der tbs = mm_der_enter(&der, MM_DER_SEQUENCE), list;
	struct mm_span issuer;
	json_t *revoked;

	(void)field;
	if (mm_der_peek(&tbs) == MM_DER_INTEGER)
		mm_der_unsigned(&tbs);
	mm_der_take(&tbs, MM_DER_SEQUENCE); /* the algorithm */
	issuer = mm_der_whole(&tbs, MM_DER_SEQUENCE);
	mm_der_time(&tbs);
	mm_der_time(&tbs);
	if (mm_der_peek(&tbs) == MM_DER_SEQUENCE)
		list = mm_der_enter(&tbs, MM_DER_SEQUENCE);
	else
		list = mm_der(mm_span(NULL, 0));
	revoked = tbs.bad ? NULL : show_revoked(&list);
	if (revoked == NULL)
		return mm_json_unreadable(bytes);
	return json_pack("{s:o, s:o, s:o}", "issuer", show_name(issuer),
	    "revoked", revoked, "der", mm_json_hex(bytes));
}
