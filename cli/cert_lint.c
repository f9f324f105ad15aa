/*
 * mintmark cert lint: a certificate against RFC 5280 and the standard that it
 * claims to keep, with the clause that is broken. No appliance is asked.
 */
#include "ca/lint.h"

#include <string.h>

#include "cli/command.h"

enum { FILE_MAX = 1 << 20, DER_MAX = 64 << 10 };

/* PEM's first line, else it is DER. */
static bool
is_pem(struct mm_span bytes)
{
	return memmem(bytes.data, bytes.size, "-----BEGIN ", 11) != NULL;
}

/* A file may have more after its first certificate, as chains do. */
static struct mm_span
first_block(struct mm_span pem)
{
	static const char end[] = "-----END CERTIFICATE-----";
	const uint8_t *at = memmem(pem.data, pem.size, end, sizeof(end) - 1);
	size_t size;

	if (at == NULL)
		return pem;
	size = (size_t)(at - pem.data) + sizeof(end) - 1;
	while (size < pem.size &&
	       (pem.data[size] == '\r' || pem.data[size] == '\n'))
		size++;
	return mm_span(pem.data, size);
}

static enum mm_error
read_certificate(const char *path, struct mm_buffer *out)
{
	mm_auto(buffer) file = {0};
	struct mm_span bytes;
	enum mm_error error;

	mm_buffer_init(&file, FILE_MAX);
	mm_buffer_init(out, DER_MAX);
	error = mm_input(path, FILE_MAX, &file);
	if (error != MM_OK)
		return error;
	bytes = mm_buffer_span(&file);
	if (is_pem(bytes))
		error = mm_pem_decode("CERTIFICATE", first_block(bytes), out);
	else
		mm_buffer_add(out, bytes.data, bytes.size);
	if (error == MM_OK)
		error = out->error;
	return error == MM_OK
		   ? MM_OK
		   : mm_fail(MM_E_FORMAT,
			 "%s: it is no certificate in PEM or DER: %s", path,
			 mm_why(error));
}

static enum mm_error
read_standard(const struct mm_invocation *invocation, uint64_t *out)
{
	const char *name = mm_option(invocation, "standard");

	*out = MM_STANDARD_NONE;
	if (name == NULL)
		return MM_OK;
	for (uint64_t i = 1; i < MM_STANDARDS; i++)
		if (strcmp(name, mm_standard_name(i)) == 0) {
			*out = i;
			return MM_OK;
		}
	return mm_fail(MM_E_USAGE,
	    "--standard: there is none called \"%s\"; the help lists them",
	    name);
}

/* The finding is the result, and the exit status the verdict. */
static void
report(const struct mm_invocation *invocation, uint64_t standard,
    const struct mm_lint *found)
{
	json_t *object = json_pack("{s:s, s:s, s:b}", "file",
	    invocation->operands[0], "standard",
	    standard != MM_STANDARD_NONE ? mm_standard_name(standard)
					 : "rfc5280",
	    "kept", found->clause == NULL);

	if (found->clause != NULL) {
		json_object_set_new(
		    object, "clause", json_string(found->clause));
		json_object_set_new(
		    object, "finding", json_string(found->what));
	}
	mm_print(invocation, object);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *issuer_path = mm_option(invocation, "issuer");
	mm_auto(buffer) certificate = {0};
	mm_auto(buffer) issuer = {0};
	struct mm_lint found = {.clause = NULL, .what = ""};
	uint64_t standard;
	enum mm_error error = read_standard(invocation, &standard);

	if (error == MM_OK)
		error = read_certificate(invocation->operands[0], &certificate);
	if (error == MM_OK && issuer_path != NULL)
		error = read_certificate(issuer_path, &issuer);
	if (error != MM_OK)
		return error;
	error = mm_lint_certificate(mm_buffer_span(&certificate), standard,
	    mm_buffer_span(&issuer), &found);
	if (error == MM_OK || error == MM_E_STANDARD)
		report(invocation, standard, &found);
	return error;
}

static const struct mm_cli_option options[] = {
    {"standard", "S",
	"aws-iot, 802.1ar, matter-dac, matter-pai, matter-paa, tls-client, "
	"tls-server, code-signing or ca (RFC 5280 alone)",
	false},
    {"issuer", "FILE", "the issuer's certificate, PEM or DER", false},
};

const struct mm_command mm_cert_lint_command = {
    .noun = "cert",
    .verb = "lint",
    .operands = "FILE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "a certificate held against its standard",
    .results = "file, standard, kept, clause, finding",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};
