/*
 * The rows of an esp_secure_cert CSV, for this room: every cell checked, every
 * file read, before a byte of the partition is made.
 *
 *   secure_cert_rows.c   the rows
 *   secure_cert_value.c  what stands in data_value
 */
#ifndef MM_SECURE_CERT_ROWS_H
#define MM_SECURE_CERT_ROWS_H

#include "factory/secure_cert_write.h"
#include "signer/secure_cert.h"

enum mm_cert_row_kind {
	MM_ROW_DATA,
	MM_ROW_CERTIFICATE,
	MM_ROW_PLAIN, /* a private key in clear */
	MM_ROW_RSA_DS,
	MM_ROW_FUSED /* an ECDSA key in an eFuse */
};
struct mm_cert_row {
	uint64_t line, type, subtype;
	enum mm_cert_row_kind kind;
	struct mm_flash_secret value;
	struct mm_private_key key; /* of the three kinds of key */
	bool pem;
	uint8_t efuse_key;
	struct mm_flash_secret hmac_key; /* of MM_ROW_RSA_DS */
};
struct mm_cert_rows {
	struct mm_cert_row rows[MM_SECURE_CERT_MAX];
	size_t count;
};

/* Reads all of them; `out` is all zero, and to be cleared in any case. */
enum mm_error mm_cert_rows_read(const char *path,
    const struct mm_secure_cert_csv_terms *terms,
    struct mm_cert_rows *out) mm_must_use;
void mm_cert_rows_clear(struct mm_cert_rows *rows);
/*
 * A cell's value: `type` is file, string, hex or base64. A file lies where its
 * path says, or else beside the CSV. `out` is to be cleared in any case.
 * MM_E_FORMAT, MM_E_FILE, MM_E_RANGE.
 */
enum mm_error mm_cert_value_load(const char *csv, struct mm_span type,
    struct mm_span text, struct mm_flash_secret *out) mm_must_use;
/* The error with the file and the line before it. */
enum mm_error
mm_cert_rows_at(const char *path, uint64_t line, enum mm_error error);

#endif
