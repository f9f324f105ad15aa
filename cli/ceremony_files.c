#include "cli/ceremony_files.h"

#include <stdio.h>
#include <string.h>

#include "ca/certificate.h"
#include "cli/command.h"

enum { NAME_ROOM = 128, PEM_MAX = 65536 };

enum mm_error
mm_ceremony_file_name(const char *directory, const char *before,
    struct mm_span name, const char *after, char out[PATH_MAX])
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	char clean[NAME_ROOM];
	int length;

	mm_span_string(name, clean, sizeof(clean));
	for (char *c = clean; *c != '\0'; c++)
		if (strchr(good, *c) == NULL || (c == clean && *c == '.'))
			*c = '_';
	length = snprintf(
	    out, PATH_MAX, "%s/%s%s%s", directory, before, clean, after);
	return length > 0 && length < PATH_MAX
		   ? MM_OK
		   : mm_fail(MM_E_FILE, "the path %s is too long", directory);
}

static enum mm_error
write_made(const struct mm_ceremony_made *made, const char *directory)
{
	bool csr = made->kind == MM_ENTRY_CSR, proof = made->key.size == 0;
	mm_auto(buffer) pem = {0};
	char path[PATH_MAX];
	enum mm_error error =
	    mm_ceremony_file_name(directory, proof ? "proof-" : "",
		proof ? made->subject : made->key, csr ? ".csr" : ".pem", path);

	mm_buffer_init(&pem, PEM_MAX);
	if (error == MM_OK)
		error =
		    mm_pem_encode(csr ? "CERTIFICATE REQUEST" : "CERTIFICATE",
			made->der, &pem);
	return error == MM_OK
		   ? mm_file_write(path, mm_buffer_span(&pem), 0644, false)
		   : error;
}

static enum mm_error
write_vkey(const struct mm_vkey *vkey, const char *directory)
{
	char path[PATH_MAX], line[MM_VKEY_MAX + 1];
	enum mm_error error =
	    mm_path(path, sizeof(path), directory, "log.vkey");

	mm_vkey_text(vkey, line);
	strcat(line, "\n");
	return error == MM_OK
		   ? mm_file_write(path, mm_span_text(line), 0644, false)
		   : error;
}

enum mm_error
mm_ceremony_files_write(const struct mm_ceremony_story *story,
    const struct mm_vkey *vkey, const char *directory)
{
	enum mm_error error = write_vkey(vkey, directory);

	for (size_t i = 0; i < story->made_count && error == MM_OK; i++)
		if (story->made[i].kind != MM_ENTRY_KEY &&
		    story->made[i].der.size > 0)
			error = write_made(&story->made[i], directory);
	return error;
}
