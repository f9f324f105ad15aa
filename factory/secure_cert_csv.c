#include <sodium.h>

#include "factory/secure_cert_rows.h"
#include "factory/secure_cert_tlvs.h"

struct making {
	const char *path;
	const struct mm_secure_cert_csv_terms *terms;
	struct mm_cert_rows rows;
};

/* The certificate of a key's subtype is the key's, where there is one. */
static enum mm_error
check_match(const struct making *m, const struct mm_cert_row *key)
{
	mm_auto(buffer) der = {0};
	enum mm_error error = MM_OK;

	if (key->type != MM_SECURE_CERT_KEY)
		return MM_OK;
	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	for (const struct mm_cert_row *row = m->rows.rows;
	     row < m->rows.rows + m->rows.count; row++) {
		if (row->type != MM_SECURE_CERT_DEVICE ||
		    row->subtype != key->subtype)
			continue;
		error = mm_certificate_first(
		    mm_span(row->value.data, row->value.size), &der, NULL);
		if (error == MM_OK)
			error = mm_private_key_matches(
			    &key->key, mm_buffer_span(&der));
		return mm_cert_rows_at(m->path, row->line, error);
	}
	return MM_OK;
}

static enum mm_error
add_ds(
    const struct making *m, const struct mm_cert_row *row, struct mm_tlvs *tlvs)
{
	uint8_t iv[MM_DS_IV];
	const struct mm_secure_cert_ds ds = {.chip = m->terms->chip,
	    .efuse_key = row->efuse_key,
	    .hmac_key = row->hmac_key.data,
	    .iv = m->terms->iv != NULL ? m->terms->iv : iv};

	randombytes_buf(iv, sizeof(iv));
	return mm_tlvs_ds(tlvs, row->subtype, &row->key, &ds);
}

static enum mm_error
add_row(const struct mm_cert_row *row, struct mm_tlvs *tlvs)
{
	struct mm_span value = mm_span(row->value.data, row->value.size);

	if (row->kind == MM_ROW_DATA)
		return mm_tlvs_add(tlvs, 0, row->type, row->subtype, value);
	if (row->kind == MM_ROW_CERTIFICATE)
		return mm_tlvs_certificate(
		    tlvs, row->type, row->subtype, value);
	if (row->kind == MM_ROW_PLAIN)
		return mm_tlvs_key(tlvs, row->subtype, &row->key, row->pem);
	return row->kind == MM_ROW_FUSED ? mm_tlvs_fused_key(tlvs, row->subtype)
					 : MM_OK;
}

static enum mm_error
check_ivs(const struct making *m)
{
	size_t count = 0;

	for (size_t i = 0; i < m->rows.count; i++)
		count += m->rows.rows[i].kind == MM_ROW_RSA_DS;
	return m->terms->iv == NULL || count <= 1
		   ? MM_OK
		   : mm_fail(MM_E_FORMAT,
			 "%s: an IV was given, and there are %zu rsa_ds "
			 "rows: one IV is for one key",
			 m->path, count);
}

/* What stands for the keys of a chip comes first, as with the vendor's tool. */
static enum mm_error
build(const struct making *m, struct mm_flash_secret *out)
{
	mm_auto(tlvs) tlvs = {.room = {.data = NULL}};
	enum mm_error error = check_ivs(m);

	if (error == MM_OK)
		error = mm_tlvs_new(&tlvs);
	for (size_t i = 0; i < m->rows.count && error == MM_OK; i++)
		error = check_match(m, &m->rows.rows[i]);
	for (size_t i = 0; i < m->rows.count && error == MM_OK; i++)
		if (m->rows.rows[i].kind == MM_ROW_RSA_DS ||
		    m->rows.rows[i].kind == MM_ROW_FUSED)
			error = mm_cert_rows_at(m->path, m->rows.rows[i].line,
			    add_ds(m, &m->rows.rows[i], &tlvs));
	for (size_t i = 0; i < m->rows.count && error == MM_OK; i++)
		error = mm_cert_rows_at(m->path, m->rows.rows[i].line,
		    add_row(&m->rows.rows[i], &tlvs));
	if (error == MM_OK)
		error = mm_tlvs_integrity(&tlvs);
	if (error == MM_OK)
		mm_tlvs_take(&tlvs, false, out);
	return error;
}

enum mm_error
mm_secure_cert_csv(const char *path,
    const struct mm_secure_cert_csv_terms *terms, struct mm_flash_secret *out)
{
	mm_autofree struct making *m = calloc(1, sizeof(*m));
	enum mm_error error;

	if (m == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a CSV");
	m->path = path;
	m->terms = terms;
	error = mm_cert_rows_read(path, terms, &m->rows);
	if (error == MM_OK)
		error = build(m, out);
	mm_cert_rows_clear(&m->rows);
	return error;
}
