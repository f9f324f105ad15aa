/*
 * CRLs put before the token, good until they are spoilt.
 */
#ifndef MM_TEST_CRL_TRIAL_H
#define MM_TEST_CRL_TRIAL_H

#include <sys/mman.h>
#include <unistd.h>

#include "ca/revocation.h"
#include "protocol/sealed.h"
#include "tests/unit/later.h"

enum { CRL_MAX = 1 << 20 };

struct crl_trial {
	struct mm_crl_entry entry; /* what it says; its TBS is made */
	struct mm_crl_plan plan;   /* what the TBS says */
	uint64_t revoked;          /* certificates in the TBS */
	uint64_t time;             /* of the entry */
	bool blob, other_tbs;
	struct mm_span tbs; /* as it was made */
	uint64_t references[8];
	size_t count;
	int fd; /* to be sent; -1: none, or the blob's */
};

static inline struct crl_trial
make_crl(const char *issuer, uint64_t number)
{
	bool access = strcmp(issuer, "access-ca") == 0;
	struct crl_trial trial = {.entry = {.issuer = text(issuer),
				      .number = number,
				      .this_update = NOW + 10,
				      .next_update = NOW + 10 + 7 * DAY,
				      .size = mint.log.size,
				      .count = 3},
	    .plan = {.issuer =
			 access ? logged.access_ca_tbs : logged.device_ca_tbs,
		.number = number,
		.this_update = NOW + 10,
		.next_update = NOW + 10 + 7 * DAY},
	    .revoked = 3,
	    .time = NOW + 10,
	    .references = {access ? logged.access_ca : logged.device_ca,
		logged.root},
	    .count = 2,
	    .fd = -1};

	mint_clock = NOW;
	return trial;
}

static inline struct mm_span
make_crl_tbs(const struct crl_trial *trial)
{
	struct mm_crl_writer writer;
	mm_auto(buffer) tbs = {0};

	mm_crl_writer_init(&writer, CRL_MAX);
	mm_buffer_init(&tbs, CRL_MAX);
	for (uint64_t i = 0; i < trial->revoked; i++) {
		const uint8_t serial[] = {0x12, 0x34, (uint8_t)(i >> 8),
		    (uint8_t)i, 0x56, 0x78, 0x9a, 0xbc, 0xde};

		ok(mm_crl_add(
		    &writer, mm_span(serial, sizeof(serial)), NOW, i % 5, 0));
	}
	ok(mm_crl_finish(&writer, &trial->plan, &tbs));
	mm_crl_writer_clear(&writer);
	return keep_buffer(&tbs);
}

/* Bytes as a memfd, with these seals. */
static inline int
make_memfd(struct mm_span bytes, int seals)
{
	int fd = memfd_create("crl", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes.data, bytes.size), bytes.size);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static inline uint64_t
log_crl(struct crl_trial *trial)
{
	uint8_t *hash = keep("", 0);

	if (!trial->other_tbs)
		trial->tbs = make_crl_tbs(trial);
	if (!trial->blob) {
		trial->entry.tbs = trial->tbs;
	} else if (trial->entry.tbs_sha256.size == 0) {
		hash = keep(mint.policy_digest, 32);
		crypto_hash_sha256(hash, trial->tbs.data, trial->tbs.size);
		trial->entry.tbs_sha256 = mm_span(hash, 32);
		trial->entry.tbs_size = trial->tbs.size;
	}
	return log_append(&mint.log, make_entry(MM_ENTRY_CRL, trial->time,
					 mint.policy_digest, &trial->entry));
}

/* Asks with a descriptor beside the request. */
static inline struct outcome
ask_with(const struct request *request, int fd)
{
	struct mm_service service;
	struct outcome outcome;

	if (fd < 0)
		return ask(request);
	service = mm_token_service(mint.token);
	*service.attached = fd;
	outcome = ask(request);
	*service.attached = -1;
	return outcome;
}

static inline struct outcome
try_crl(struct crl_trial *trial)
{
	struct request request;
	struct outcome outcome;

	prepare(&request, log_crl(trial), trial->references, trial->count);
	if (trial->blob && trial->fd < 0)
		trial->fd = make_memfd(trial->tbs, MM_SEALS);
	outcome = ask_with(&request, trial->fd);
	if (trial->fd >= 0)
		close(trial->fd);
	return outcome;
}

static inline void
check_crl(
    const struct crl_trial *trial, const char *key, struct mm_span signature)
{
	uint8_t digest[32];

	mm_tbs_digest(trial->tbs, digest);
	ok(mm_key_verify_p256(mint_key(key)->spki, digest, signature));
}

#endif
