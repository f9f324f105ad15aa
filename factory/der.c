#include "factory/der.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "ca/certificate.h"
#include "ca/der.h"
#include "protocol/text.h"

/* RFC 7468 section 10, RFC 5915, RFC 8017 appendix A.1.2 */
static const char *const labels[] = {
    "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"};

/* One SEQUENCE and nothing behind it. */
static bool
is_sequence(struct mm_span der)
{
	return der.size > 0 && der.data[0] == MM_DER_SEQUENCE &&
	       mm_der_sound(der);
}

enum mm_error
mm_flash_certificate(struct mm_span pem, struct mm_buffer *out)
{
	mm_auto(buffer) der = {0};
	enum mm_error error;

	mm_buffer_init(&der, MM_FLASH_PEM_MAX);
	error = mm_pem_decode("CERTIFICATE", pem, &der);
	if (error != MM_OK)
		return mm_fail(
		    error, "%s: give one certificate alone", mm_why(error));
	if (!is_sequence(mm_buffer_span(&der)))
		return mm_fail(MM_E_FORMAT, "the certificate is not sound DER");
	mm_buffer_add(out, der.data, der.size);
	return out->error;
}

/* --- private keys: nothing of them outside of sodium memory --- */

static enum mm_error
read_whole(int fd, const char *path, struct mm_flash_secret *secret)
{
	size_t size = 0;

	while (size < secret->size) {
		ssize_t got =
		    read(fd, secret->data + size, secret->size - size);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return mm_fail(MM_E_FILE, "cannot read %s: %s", path,
			    strerror(errno));
		if (got == 0)
			break;
		size += (size_t)got;
	}
	if (size == secret->size)
		return mm_fail(MM_E_RANGE, "%s has more than %d bytes", path,
		    MM_FLASH_PEM_MAX);
	secret->size = size;
	return MM_OK;
}

enum mm_error
mm_flash_secret_read(const char *path, struct mm_flash_secret *out)
{
	mm_autoclose int fd =
	    open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	mm_auto(flash_secret) secret = {0};
	struct stat info;
	enum mm_error error;

	if (fd < 0 || fstat(fd, &info) < 0)
		return mm_fail(
		    MM_E_FILE, "cannot read %s: %s", path, strerror(errno));
	if (!S_ISREG(info.st_mode))
		return mm_fail(MM_E_FILE, "%s is not a regular file", path);
	error = mm_flash_secret_new(MM_FLASH_PEM_MAX + 1, &secret);
	if (error == MM_OK)
		error = read_whole(fd, path, &secret);
	if (error != MM_OK)
		return error;
	*out = mm_flash_secret_take(&secret, secret.size);
	return MM_OK;
}

/* Whether one of the labels begins here; what is after its line. */
static bool
enter(struct mm_span *text, const char **label)
{
	char begin[64];

	for (size_t i = 0; i < MM_COUNT(labels); i++) {
		size_t size = (size_t)snprintf(
		    begin, sizeof(begin), "-----BEGIN %s-----", labels[i]);
		const uint8_t *found =
		    memmem(text->data, text->size, begin, size);

		if (found == NULL)
			continue;
		found += size;
		*text =
		    mm_span(found, text->size - (size_t)(found - text->data));
		*label = labels[i];
		return true;
	}
	return false;
}

static bool
is_blank(struct mm_span text)
{
	for (size_t i = 0; i < text.size; i++)
		if (text.data[i] != '\n' && text.data[i] != '\r' &&
		    text.data[i] != ' ')
			return false;
	return true;
}

/* `text` up to its end line, behind which nothing is. */
static bool
leave(struct mm_span *text, const char *label)
{
	char end[64];
	size_t size =
	    (size_t)snprintf(end, sizeof(end), "-----END %s-----", label);
	const uint8_t *found = memmem(text->data, text->size, end, size);
	struct mm_span tail;

	if (found == NULL)
		return false;
	tail = mm_span(
	    found + size, text->size - (size_t)(found - text->data) - size);
	text->size = (size_t)(found - text->data);
	return is_blank(tail);
}

/* One private key is in the file: one line begins and one ends it. */
static bool
is_one(struct mm_span text)
{
	static const char mark[] = "PRIVATE KEY-----";
	const size_t size = sizeof(mark) - 1;
	size_t count = 0;

	for (size_t i = 0; i + size <= text.size; i++)
		count += memcmp(text.data + i, mark, size) == 0;
	return count == 2;
}

enum mm_error
mm_flash_private_key(
    const struct mm_flash_secret *pem, struct mm_flash_secret *out)
{
	struct mm_span text = mm_span(pem->data, pem->size);
	mm_auto(flash_secret) der = {0};
	const char *label;
	enum mm_error error;

	if (!is_one(text) || !enter(&text, &label))
		return mm_fail(MM_E_FORMAT,
		    "there is not one PEM private key, or it is encrypted: "
		    "give one, without a passphrase");
	if (!leave(&text, label) || text.size == 0)
		return mm_fail(MM_E_FORMAT,
		    "the PEM private key does not end, or something "
		    "follows it");
	error = mm_flash_secret_new(text.size, &der);
	if (error != MM_OK)
		return error;
	/* libsodium 1.0.18 takes bytes from 0x80 on for base64's last digit. */
	if (!mm_text_is_ascii(text) ||
	    sodium_base642bin(der.data, der.size, (const char *)text.data,
		text.size, "\r\n", &der.size, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    !is_sequence(mm_span(der.data, der.size)))
		return mm_fail(MM_E_FORMAT,
		    "the PEM private key is not sound, or it is encrypted: "
		    "give it without a passphrase");
	*out = mm_flash_secret_take(&der, der.size);
	return MM_OK;
}
