#include "factory/secure_cert_rows.h"

#include <sodium.h>
#include <stdio.h>

#include "factory/csv.h"
#include "factory/secure_cert_tlvs.h"
#include "protocol/text.h"

#define wrong(...) mm_fail(MM_E_FORMAT, __VA_ARGS__)

enum column {
	TYPE,
	SUBTYPE,
	VALUE,
	VALUE_TYPE,
	KEY_TYPE,
	ALGORITHM,
	KEY_SIZE,
	EFUSE_ID,
	EFUSE_KEY,
	COLUMNS
};
static const char *const column_names[COLUMNS] = {"tlv_type", "tlv_subtype",
    "data_value", "data_type", "priv_key_type", "algorithm", "key_size",
    "efuse_id", "efuse_key"};
enum { NEEDED = KEY_TYPE }; /* columns before it must be there */

static const struct {
	const char *word;
	enum mm_cert_row_kind kind;
} key_types[] = {{"plaintext", MM_ROW_PLAIN}, {"rsa_ds", MM_ROW_RSA_DS},
    {"ecdsa_peripheral", MM_ROW_FUSED}};

struct reading {
	const char *path;
	const struct mm_secure_cert_csv_terms *terms;
	struct mm_csv csv;
	size_t places[COLUMNS]; /* SIZE_MAX: the column is not there */
	struct mm_cert_rows *out;
};

/* --- types --- */

enum { TEE_STORAGE_KEY = 7 };

static const struct {
	const char *name;
	uint8_t type;
} types[] = {{"CA_CERT", MM_TLV_CA}, {"DEV_CERT", MM_SECURE_CERT_DEVICE},
    {"PRIV_KEY", MM_SECURE_CERT_KEY}, {"DS_DATA", MM_TLV_DS_DATA},
    {"DS_CONTEXT", MM_TLV_DS_CONTEXT}, {"ECDSA_KEY_SALT", 5},
    {"SEC_CFG", MM_TLV_SECURITY}, {"TEE_SEC_STORAGE_KEY", TEE_STORAGE_KEY},
    {"SIGNATURE_BLOCK", MM_SECURE_CERT_SIGNATURE},
    {"INTEGRITY", MM_SECURE_CERT_INTEGRITY}, {"USER_DATA_1", 51},
    {"USER_DATA_2", 52}, {"USER_DATA_3", 53}, {"USER_DATA_4", 54},
    {"USER_DATA_5", 55}, {"MATTER_1", 201}, {"MATTER_2", 202}};

const char *
mm_secure_cert_type_name(uint64_t type)
{
	for (size_t i = 0; i < MM_COUNT(types); i++)
		if (types[i].type == type)
			return types[i].name;
	return NULL;
}

/* --- cells --- */

static bool
is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A cell without the blanks around it; empty where its column is not there. */
static struct mm_span
cell(const struct reading *r, enum column column)
{
	struct mm_span text;

	if (r->places[column] == SIZE_MAX)
		return mm_span(NULL, 0);
	text = r->csv.cells[r->places[column]];
	while (text.size > 0 && is_blank(text.data[0]))
		text = mm_span(text.data + 1, text.size - 1);
	while (text.size > 0 && is_blank(text.data[text.size - 1]))
		text.size--;
	return text;
}

static enum mm_error
read_number(
    const struct reading *r, enum column column, uint64_t max, uint64_t *out)
{
	struct mm_span text = cell(r, column);
	uint64_t number = 0;

	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || number > max)
			number = max + 1;
		else
			number = number * 10 + (text.data[i] - '0');
	}
	if (text.size == 0 || number > max)
		return wrong("%s has to be a number from 0 to %llu, and is "
			     "\"%.*s\"",
		    column_names[column], (unsigned long long)max,
		    MM_SPAN(text));
	*out = number;
	return MM_OK;
}

static bool
is_named(struct mm_span text, const char *name)
{
	char full[64];

	snprintf(full, sizeof(full), "ESP_SECURE_CERT_%s_TLV", name);
	return mm_span_is(text, full);
}

static enum mm_error
read_type(const struct reading *r, struct mm_cert_row *row)
{
	struct mm_span text = cell(r, TYPE);
	enum mm_error error;

	row->type = UINT64_MAX;
	for (size_t i = 0; i < MM_COUNT(types); i++)
		if (is_named(text, types[i].name))
			row->type = types[i].type;
	if (row->type == UINT64_MAX) {
		error = read_number(r, TYPE, UINT8_MAX, &row->type);
		if (error != MM_OK)
			return wrong("tlv_type \"%.*s\" is neither a name, as "
				     "ESP_SECURE_CERT_DEV_CERT_TLV, nor a "
				     "number",
			    MM_SPAN(text));
	}
	if (row->type == MM_SECURE_CERT_SIGNATURE ||
	    row->type == MM_SECURE_CERT_INTEGRITY)
		return wrong("signature and integrity are made, not listed: "
			     "take the row out");
	if (mm_secure_cert_type_name(row->type) == NULL)
		return wrong("there is no TLV of type %llu",
		    (unsigned long long)row->type);
	return read_number(
	    r, SUBTYPE, MM_SECURE_CERT_SUBTYPE_MAX, &row->subtype);
}

static enum mm_error
read_kind(const struct reading *r, struct mm_cert_row *row)
{
	struct mm_span text = cell(r, KEY_TYPE);

	row->kind = row->type == MM_TLV_CA || row->type == MM_SECURE_CERT_DEVICE
			? MM_ROW_CERTIFICATE
			: MM_ROW_DATA;
	if (row->type != MM_SECURE_CERT_KEY)
		return MM_OK;
	for (size_t i = 0; i < MM_COUNT(key_types); i++)
		if (mm_text_is_word(text, key_types[i].word)) {
			row->kind = key_types[i].kind;
			return MM_OK;
		}
	return wrong("priv_key_type is \"%.*s\": it has to be plaintext, "
		     "rsa_ds or ecdsa_peripheral",
	    MM_SPAN(text));
}

/* --- keys --- */

static enum mm_error
in_clear(void)
{
	return wrong("a private key would stand in the partition in clear: say "
		     "so with --plain-keys");
}

static enum mm_error
check_key_columns(const struct reading *r, const struct mm_cert_row *row)
{
	struct mm_span algorithm = cell(r, ALGORITHM);
	uint64_t bits = row->key.bits;
	enum mm_error error = MM_OK;

	if (algorithm.size > 0 &&
	    !mm_text_is_word(algorithm, row->key.rsa ? "RSA" : "ECDSA"))
		return wrong("the row says %.*s, and the key is %s",
		    MM_SPAN(algorithm), row->key.name);
	if (cell(r, KEY_SIZE).size > 0)
		error = read_number(r, KEY_SIZE, UINT16_MAX, &bits);
	if (error == MM_OK && bits != row->key.bits)
		return wrong("key_size is %llu, and the key has %u bits",
		    (unsigned long long)bits, row->key.bits);
	return error;
}

/* 32 bytes, of the row's file or of the one for all. */
static enum mm_error
read_hmac_key(const struct reading *r, struct mm_cert_row *row)
{
	struct mm_span name = cell(r, EFUSE_KEY);
	enum mm_error error;

	if (name.size == 0 && r->terms->hmac_key == NULL)
		return wrong("rsa_ds needs the eFuse's HMAC key: name its file "
			     "in efuse_key");
	error = name.size > 0
		    ? mm_cert_value_load(
			  r->path, mm_span_text("file"), name, &row->hmac_key)
		    : mm_flash_secret_read(r->terms->hmac_key, &row->hmac_key);
	if (error == MM_OK && row->hmac_key.size != MM_DS_HMAC_KEY)
		return wrong("the HMAC key has %zu bytes, and not %d",
		    row->hmac_key.size, MM_DS_HMAC_KEY);
	return error;
}

static enum mm_error
read_key(const struct reading *r, struct mm_cert_row *row)
{
	uint64_t efuse_key = 0;
	enum mm_error error;

	if (row->kind == MM_ROW_PLAIN && !r->terms->plain_keys)
		return in_clear();
	if (row->kind != MM_ROW_PLAIN && r->terms->chip == NULL)
		return wrong("for rsa_ds and ecdsa_peripheral the chip must be "
			     "said: --ds CHIP");
	row->pem = mm_is_pem(mm_span(row->value.data, row->value.size));
	error = mm_private_key_read(&row->value, &row->key);
	if (error == MM_OK)
		error = check_key_columns(r, row);
	if (error == MM_OK && row->kind != MM_ROW_PLAIN)
		error =
		    read_number(r, EFUSE_ID, MM_DS_EFUSE_KEYS - 1, &efuse_key);
	row->efuse_key = (uint8_t)efuse_key;
	if (error == MM_OK && row->kind == MM_ROW_RSA_DS)
		error = read_hmac_key(r, row);
	return error;
}

/* A secret may not slip in as a value of another type. */
static enum mm_error
check_data(const struct reading *r, const struct mm_cert_row *row)
{
	mm_auto(private_key) key = {.name = NULL};

	if (row->kind != MM_ROW_DATA || r->terms->plain_keys)
		return MM_OK;
	if (row->type == TEE_STORAGE_KEY ||
	    mm_private_key_read(&row->value, &key) == MM_OK)
		return in_clear();
	return MM_OK;
}

static enum mm_error
check_twice(const struct reading *r, const struct mm_cert_row *row)
{
	for (const struct mm_cert_row *other = r->out->rows; other < row;
	     other++)
		if (other->type == row->type && other->subtype == row->subtype)
			return wrong("type and subtype are those of line %llu",
			    (unsigned long long)other->line);
	return MM_OK;
}

static enum mm_error
read_row(struct reading *r)
{
	struct mm_cert_row *row;
	enum mm_error error;

	if (r->out->count == MM_SECURE_CERT_MAX - 1)
		return wrong(
		    "there are more than %d rows", MM_SECURE_CERT_MAX - 1);
	row = &r->out->rows[r->out->count++];
	row->line = r->csv.line;
	error = read_type(r, row);
	if (error == MM_OK)
		error = check_twice(r, row);
	if (error == MM_OK)
		error = read_kind(r, row);
	if (error == MM_OK)
		error = mm_cert_value_load(
		    r->path, cell(r, VALUE_TYPE), cell(r, VALUE), &row->value);
	if (error == MM_OK && row->type == MM_SECURE_CERT_KEY)
		error = read_key(r, row);
	return error == MM_OK ? check_data(r, row) : error;
}

enum mm_error
mm_cert_rows_at(const char *path, uint64_t line, enum mm_error error)
{
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s, line %llu: %s", path,
				    (unsigned long long)line, mm_why(error));
}

static enum mm_error
find_columns(struct reading *r)
{
	size_t known = 0;

	for (size_t i = 0; i < COLUMNS; i++) {
		r->places[i] = SIZE_MAX;
		for (size_t j = 0; j < r->csv.count; j++)
			if (mm_span_is(r->csv.names[j], column_names[i])) {
				r->places[i] = j;
				known++;
			}
		if (i < NEEDED && r->places[i] == SIZE_MAX)
			return wrong("%s, line %llu: there is no column %s",
			    r->path, (unsigned long long)r->csv.line,
			    column_names[i]);
	}
	if (known != r->csv.count)
		return wrong("%s, line %llu: a column is not one of tlv_type, "
			     "tlv_subtype, data_value, data_type, "
			     "priv_key_type, algorithm, key_size, efuse_id, "
			     "efuse_key",
		    r->path, (unsigned long long)r->csv.line);
	return MM_OK;
}

static enum mm_error
read_rows(struct reading *r)
{
	bool more = true;
	enum mm_error error = mm_csv_open(r->path, &r->csv);

	if (error == MM_OK)
		error = find_columns(r);
	r->csv.comments = true;
	while (error == MM_OK && more) {
		error = mm_csv_next(&r->csv, &more);
		if (error == MM_OK && more)
			error =
			    mm_cert_rows_at(r->path, r->csv.line, read_row(r));
	}
	if (error == MM_OK && r->out->count == 0)
		return wrong("%s: there are no rows", r->path);
	return error;
}

enum mm_error
mm_cert_rows_read(const char *path,
    const struct mm_secure_cert_csv_terms *terms, struct mm_cert_rows *out)
{
	struct reading r = {.path = path, .terms = terms, .out = out};
	enum mm_error error = read_rows(&r);

	/* A cell may have held a key. */
	if (r.csv.row.data != NULL)
		sodium_memzero(r.csv.row.data, r.csv.row.capacity);
	mm_csv_clear(&r.csv);
	return error;
}

void
mm_cert_rows_clear(struct mm_cert_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		mm_flash_secret_clear(&rows->rows[i].value);
		mm_flash_secret_clear(&rows->rows[i].hmac_key);
		mm_private_key_clear(&rows->rows[i].key);
	}
	rows->count = 0;
}
