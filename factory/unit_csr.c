/*
 * The CSR of a device that makes its key itself.
 */
#include <string.h>

#include "ca/certificate.h"
#include "ca/csr.h"
#include "factory/unit_parts.h"

enum { CSR_FILE_MAX = 16384, ARENA = 1 << 16 };

static enum mm_error
to_der(struct mm_span bytes, struct mm_buffer *out)
{
	static const char *const labels[] = {
	    "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"};
	enum mm_error error = MM_E_CSR;

	if (!mm_is_pem(bytes)) {
		mm_buffer_add(out, bytes.data, bytes.size);
		return out->error;
	}
	for (size_t i = 0; i < MM_COUNT(labels) && error != MM_OK; i++)
		error = mm_pem_decode(labels[i], bytes, out);
	return error == MM_OK ? MM_OK
			      : mm_fail(MM_E_CSR, "the PEM holds no CSR");
}

enum mm_error
mm_unit_parse_csr(
    struct mm_span bytes, struct mm_buffer *csr, struct mm_buffer *spki)
{
	mm_auto(arena) arena = {0};
	struct mm_csr read;
	enum mm_error error;

	mm_arena_init(&arena, ARENA);
	error = mm_csr_read(bytes, &arena, &read);
	if (error == MM_OK)
		error = to_der(bytes, csr);
	if (error != MM_OK)
		return error;
	if (csr->size > MM_UNIT_CSR_MAX)
		return mm_fail(MM_E_RANGE,
		    "the CSR has %zu bytes; a device's can have %d: have it "
		    "made without attributes",
		    csr->size, MM_UNIT_CSR_MAX);
	mm_buffer_add(spki, read.spki.data, read.spki.size);
	return spki->error;
}

enum mm_error
mm_unit_read_csr(const struct mm_production *p,
    const struct mm_label_values *values, struct mm_buffer *csr,
    struct mm_buffer *spki)
{
	mm_auto(buffer) path = {0};
	mm_auto(buffer) file = {0};
	enum mm_error error = MM_OK;

	mm_buffer_init(&path, 4096);
	mm_buffer_init(&file, CSR_FILE_MAX);
	if (p->csr_path[0] != '/')
		mm_buffer_printf(&path, "%s/", p->directory);
	error = mm_label_fill(p->csr_path, values, true, &path);
	mm_buffer_add(&path, "", 1);
	if (error == MM_OK)
		error = path.error;
	if (error == MM_OK)
		error =
		    mm_file_read((const char *)path.data, CSR_FILE_MAX, &file);
	if (error != MM_OK)
		return mm_production_in_line(p, p->csr_line, error);
	error = mm_unit_parse_csr(mm_buffer_span(&file), csr, spki);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s",
				    (const char *)path.data, mm_why(error));
}
