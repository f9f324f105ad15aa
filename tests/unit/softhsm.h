/*
 * A SoftHSM of a test's own: a directory, its configuration and tokens in it,
 * all gone at the end.
 */
#ifndef MM_TEST_SOFTHSM_H
#define MM_TEST_SOFTHSM_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "hsm/pkcs11.h"

#define SOFTHSM "/usr/lib/softhsm/libsofthsm2.so"
#define USER_PIN "a user pin 1234"

struct softhsm {
	char directory[256];
	char serial[17]; /* of the token made last */
	char uri[128];   /* names it by its serial */
	char pin_file[300];
};

static inline void
write_text(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static inline void
softhsm_token(struct softhsm *hsm, const char *label)
{
	assert_int_equal(mm_pkcs11_init_token(SOFTHSM, label, "so pin 1234",
			     USER_PIN, hsm->serial),
	    MM_OK);
	assert_int_equal(strlen(hsm->serial), 16);
	snprintf(hsm->uri, sizeof(hsm->uri), "pkcs11:token=%s;serial=%s", label,
	    hsm->serial);
}

static inline void
softhsm_begin(struct softhsm *hsm)
{
	const char *parent = getenv("TMPDIR");
	char path[300], text[400];

	snprintf(hsm->directory, sizeof(hsm->directory), "%.200s/mm-XXXXXX",
	    parent != NULL ? parent : "/tmp");
	assert_non_null(mkdtemp(hsm->directory));
	snprintf(path, sizeof(path), "%s/tokens", hsm->directory);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(text, sizeof(text),
	    "directories.tokendir = %s\nlog.level = ERROR\n", path);
	snprintf(path, sizeof(path), "%s/softhsm2.conf", hsm->directory);
	write_text(path, text, 0600);
	setenv("SOFTHSM2_CONF", path, 1);
	snprintf(
	    hsm->pin_file, sizeof(hsm->pin_file), "%s/pin", hsm->directory);
	write_text(hsm->pin_file, USER_PIN "\n", 0600);
}

static inline int
remove_one(
    const char *path, const struct stat *info, int type, struct FTW *place)
{
	(void)info;
	(void)type;
	(void)place;
	return remove(path);
}

static inline void
softhsm_end(struct softhsm *hsm)
{
	nftw(hsm->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
