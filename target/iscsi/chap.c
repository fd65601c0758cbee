#include "target/iscsi/chap.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    enum chap_algorithm algorithm;
    const EVP_MD *(*digest)(void);
} algorithms[] = {
    {CHAP_MD5, EVP_md5},
    {CHAP_SHA1, EVP_sha1},
    {CHAP_SHA256, EVP_sha256},
    {CHAP_SHA3_256, EVP_sha3_256},
};

static const EVP_MD *digest_of(unsigned long algorithm)
{
    for (size_t i = 0; i < sizeof(algorithms) / sizeof(*algorithms); i++)
        if (algorithms[i].algorithm == algorithm)
            return algorithms[i].digest();
    return NULL;
}

enum chap_algorithm chap_choose(const char *list)
{
    for (;;) {
        char *end;
        unsigned long number = strtoul(list, &end, 10);

        if (end != list && (*end == ',' || !*end) && digest_of(number))
            return (enum chap_algorithm)number;
        list = strchr(list, ',');
        if (!list)
            return CHAP_NONE;
        list++;
    }
}

bool chap_make_challenge(struct chap_challenge *challenge)
{
    return RAND_bytes(&challenge->id, 1) == 1 &&
           RAND_bytes(challenge->bytes, sizeof(challenge->bytes)) == 1;
}

size_t chap_respond(enum chap_algorithm algorithm, uint8_t id, const char *secret,
                    const uint8_t *challenge, size_t length,
                    uint8_t response[static CHAP_DIGEST_MAX])
{
    const EVP_MD *digest = digest_of(algorithm);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned size = 0;

    if (!digest || !context || EVP_DigestInit_ex(context, digest, NULL) != 1 ||
        EVP_DigestUpdate(context, &id, 1) != 1 ||
        EVP_DigestUpdate(context, secret, strlen(secret)) != 1 ||
        EVP_DigestUpdate(context, challenge, length) != 1 ||
        EVP_DigestFinal_ex(context, response, &size) != 1)
        size = 0;
    EVP_MD_CTX_free(context);
    return size;
}

bool chap_is_right(enum chap_algorithm algorithm, const struct chap_challenge *challenge,
                   const struct chap_account *account, const char *user, const uint8_t *response,
                   size_t length)
{
    uint8_t expected[CHAP_DIGEST_MAX];
    size_t size = chap_respond(algorithm, challenge->id, account->secret, challenge->bytes,
                               sizeof(challenge->bytes), expected);
    bool is_right = size && size == length && !CRYPTO_memcmp(expected, response, size);

    OPENSSL_cleanse(expected, sizeof(expected));
    return is_right & !strcmp(user, account->user);
}
