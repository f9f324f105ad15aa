#include "cli/secure_cert_dump.h"

#include <sodium.h>
#include <stdio.h>

#include "cli/json_value.h"
#include "cli/table.h"
#include "factory/cust_flash.h"
#include "protocol/cbor.h"
#include "signer/numbers.h"
#include "signer/secure_cert.h"

enum { ARENA = 65536, USER_FROM = 51, USER_TO = 55, CONTEXT_SIZE = 8 };

/* --- what a value is; each adds its keys to a row --- */

static void
tell_certificate(json_t *row, struct mm_span value)
{
	mm_auto(buffer) der = {0};
	uint8_t digest[crypto_hash_sha256_BYTES];

	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	json_object_set_new(
	    row, "encoding", json_string(mm_is_pem(value) ? "PEM" : "DER"));
	if (mm_certificate_first(value, &der, NULL) != MM_OK) {
		json_object_set_new(row, "sha256", json_string("unreadable"));
		return;
	}
	crypto_hash_sha256(digest, der.data, der.size);
	json_object_set_new(
	    row, "sha256", mm_json_hex(mm_span(digest, sizeof(digest))));
}

static void
tell_key(json_t *row, struct mm_span value)
{
	json_object_set_new(row, "plain_key", json_boolean(value.size > 0));
	if (value.size > 0)
		json_object_set_new(row, "encoding",
		    json_string(mm_is_pem(value) ? "PEM" : "DER"));
}

static void
tell_data(json_t *row, struct mm_span value)
{
	if (value.size >= 4)
		json_object_set_new(row, "key_bits",
		    json_integer(
			((json_int_t)mm_little_u32(value.data) + 1) * 32));
}

static void
tell_context(json_t *row, struct mm_span value)
{
	if (value.size != CONTEXT_SIZE)
		return;
	json_object_set_new(row, "efuse_key", json_integer(value.data[4]));
	json_object_set_new(row, "key_bits",
	    json_integer((json_int_t)mm_little(value.data + 6, 2)));
}

static void
tell_security(json_t *row, struct mm_span value)
{
	if (value.size > 0)
		json_object_set_new(row, "efuse_key",
		    json_integer(
			(json_int_t)value.data[0] - MM_DS_EFUSE_BLOCK));
}

static void
tell_user(json_t *row, struct mm_span value)
{
	if (value.size > 0 && mm_text_ok(value))
		json_object_set_new(row, "text", mm_json_text(value));
	else
		json_object_set_new(row, "hex", mm_json_hex(value));
}

static const struct {
	uint8_t first, last;
	void (*tell)(json_t *row, struct mm_span value);
} tellers[] = {{MM_TLV_CA, MM_SECURE_CERT_DEVICE, tell_certificate},
    {MM_SECURE_CERT_KEY, MM_SECURE_CERT_KEY, tell_key},
    {MM_TLV_DS_DATA, MM_TLV_DS_DATA, tell_data},
    {MM_TLV_DS_CONTEXT, MM_TLV_DS_CONTEXT, tell_context},
    {MM_TLV_SECURITY, MM_TLV_SECURITY, tell_security},
    {USER_FROM, USER_TO, tell_user}};

/* --- rows --- */

static json_t *
row_of(uint64_t type, uint64_t subtype, uint64_t offset, struct mm_span value)
{
	const char *name = mm_secure_cert_type_name(type);
	json_t *row = json_pack("{s:s, s:I, s:I, s:I, s:I}", "name",
	    name != NULL ? name : "unknown", "type", (json_int_t)type,
	    "subtype", (json_int_t)subtype, "offset", (json_int_t)offset,
	    "size", (json_int_t)value.size);

	for (size_t i = 0; i < MM_COUNT(tellers); i++)
		if (type >= tellers[i].first && type <= tellers[i].last)
			tellers[i].tell(row, value);
	return row;
}

static enum mm_error
read_tlvs(struct mm_span file, json_t *rows)
{
	mm_auto(arena) arena = {0};
	struct mm_image_facts facts;
	const struct mm_secure_cert_facts *read;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_image_read(file,
	    mm_span_text(mm_image_format_name(MM_FORMAT_SECURE_CERT)), &arena,
	    &facts);
	if (error == MM_E_IMAGE)
		return mm_fail(MM_E_FORMAT, "%s", mm_why(error));
	if (error != MM_OK)
		return error;
	read = facts.secure_cert.items;
	for (mm_list_each(const struct mm_secure_cert_tlv, tlv, read->tlvs)) {
		json_t *row = row_of(tlv->type, tlv->subtype, tlv->offset,
		    mm_span(file.data + tlv->offset, (size_t)tlv->size));

		json_object_set_new(
		    row, "flags", json_integer((json_int_t)tlv->flags));
		json_array_append_new(rows, row);
	}
	return MM_OK;
}

static void
add_area(json_t *rows, struct mm_span file, uint64_t type, struct mm_span area)
{
	if (area.size > 0)
		json_array_append_new(rows,
		    row_of(type, 0, (uint64_t)(area.data - file.data), area));
}

/* The parts stand as the TLVs that they became later. */
static enum mm_error
read_fixed(
    struct mm_span file, json_t *rows, enum mm_secure_cert_layout *layout)
{
	struct mm_cust_flash read;
	json_t *row;
	enum mm_error error = mm_cust_flash_read(file, &read);

	if (error != MM_OK)
		return error;
	*layout = read.ds ? MM_LAYOUT_CUST_FLASH_DS : MM_LAYOUT_CUST_FLASH;
	add_area(rows, file, MM_SECURE_CERT_DEVICE, read.device);
	add_area(rows, file, MM_TLV_CA, read.ca);
	if (!read.ds) {
		add_area(rows, file, MM_SECURE_CERT_KEY, read.key);
		return MM_OK;
	}
	row = json_pack("{s:s, s:i, s:i, s:I, s:I, s:i, s:i}", "name",
	    mm_secure_cert_type_name(MM_TLV_DS_DATA), "type", MM_TLV_DS_DATA,
	    "subtype", 0, "offset",
	    (json_int_t)(read.ciphertext.data - file.data), "size",
	    (json_int_t)read.ciphertext.size, "key_bits", (int)read.key_bits,
	    "efuse_key", (int)read.efuse_key);
	json_object_set_new(row, "iv", mm_json_hex(read.iv));
	json_array_append_new(rows, row);
	return MM_OK;
}

/* --- printed --- */

static void
print(const struct mm_invocation *invocation, enum mm_secure_cert_layout layout,
    size_t size, json_t *rows)
{
	static const char *const columns[] = {"name", "subtype", "offset",
	    "size", "encoding", "plain_key", "efuse_key", "key_bits", "text"};
	const char *name = mm_secure_cert_layout_name(layout);

	if (invocation->json) {
		mm_print(
		    invocation, json_pack("{s:s, s:I, s:o}", "layout", name,
				    "size", (json_int_t)size, "parts", rows));
		return;
	}
	printf("layout: %s\nsize: %zu\n", name, size);
	mm_table_print(invocation, "parts", rows, columns, MM_COUNT(columns));
}

enum mm_error
mm_secure_cert_dump(const struct mm_invocation *invocation, const char *path)
{
	mm_auto(flash_secret) file = {0};
	struct mm_span bytes;
	json_t *rows = json_array();
	enum mm_secure_cert_layout layout = MM_LAYOUT_TLV;
	enum mm_error error = mm_flash_secret_read(path, &file);

	bytes = mm_span(file.data, file.size);
	if (error == MM_OK) {
		error = mm_secure_cert_begins(bytes)
			    ? read_tlvs(bytes, rows)
			    : read_fixed(bytes, rows, &layout);
		if (error != MM_OK)
			error = mm_fail(error, "%s: %s", path, mm_why(error));
	}
	if (error == MM_OK)
		print(invocation, layout, file.size, rows);
	else
		json_decref(rows);
	return error;
}
