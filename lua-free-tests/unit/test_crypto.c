/*
 * Copyright (C) ngx_privacy_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "pv_crypto.h"


static void
unhex(unsigned char *out, const char *hex)
{
    assert_int_equal(pv_hex_decode(out, strlen(hex) / 2, pv_str(hex)), PV_OK);
}


static void
test_sha256(void **state)
{
    unsigned char  out[PV_SHA256_LEN], want[PV_SHA256_LEN];
    pv_str_t       parts[3] = { pv_string("a"), pv_string(""), pv_string("bc") };

    (void) state;

    unhex(want, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(pv_sha256(out, parts, 3), PV_OK);
    assert_memory_equal(out, want, sizeof(want));

    unhex(want, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(pv_sha256(out, NULL, 0), PV_OK);
    assert_memory_equal(out, want, sizeof(want));
}


/* RFC 4231, test cases 1, 2, 3, 6, 7 */

static void
hmac(pv_str_t key, pv_str_t data, const char *hex)
{
    int             i;
    pv_str_t        parts[2];
    pv_hmac_t      *h;
    unsigned char   out[PV_SHA256_LEN], want[PV_SHA256_LEN];

    unhex(want, hex);

    h = pv_hmac_create(key);
    assert_non_null(h);

    for (i = 0; i < 3; i++) {       /* a prepared key can be used again */
        parts[0].data = data.data;
        parts[0].len = data.len / 3;
        parts[1].data = data.data + data.len / 3;
        parts[1].len = data.len - data.len / 3;

        assert_int_equal(pv_hmac(h, out, parts, 2), PV_OK);
        assert_memory_equal(out, want, sizeof(want));
    }

    pv_hmac_free(h);
}


static void
test_hmac(void **state)
{
    unsigned char  key[131], data[50];

    (void) state;

    memset(key, 0x0B, 20);
    hmac((pv_str_t) { key, 20 }, pv_str("Hi There"),
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");

    hmac(pv_str("Jefe"), pv_str("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");

    memset(key, 0xAA, 131);
    memset(data, 0xDD, 50);
    hmac((pv_str_t) { key, 20 }, (pv_str_t) { data, 50 },
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");

    hmac((pv_str_t) { key, 131 }, pv_str("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");

    hmac((pv_str_t) { key, 131 },
         pv_str("This is a test using a larger than block-size key and a larger than block-size data. "
                "The key needs to be hashed before being used by the HMAC algorithm."),
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}


/* Short messages are padded here: each length up to beyond them, cut in three, has to give what OpenSSL says. */

static void
test_lengths(void **state)
{
    size_t         i, len;
    pv_str_t       parts[3];
    pv_hmac_t     *h;
    unsigned char  data[600], out[PV_SHA256_LEN], want[PV_SHA256_LEN];

    (void) state;

    for (i = 0; i < sizeof(data); i++) {
        data[i] = (unsigned char) (i * 7 + i / 256);
    }

    h = pv_hmac_create((pv_str_t) { data, 32 });
    assert_non_null(h);

    for (len = 0; len <= sizeof(data); len++) {
        parts[0] = (pv_str_t) { data, len / 3 };
        parts[1] = (pv_str_t) { data + len / 3, len / 2 - len / 3 };
        parts[2] = (pv_str_t) { data + len / 2, len - len / 2 };

        assert_int_equal(EVP_Digest(data, len, want, NULL, EVP_sha256(), NULL), 1);
        assert_int_equal(pv_sha256(out, parts, 3), PV_OK);
        assert_memory_equal(out, want, sizeof(want));

        assert_non_null(HMAC(EVP_sha256(), data, 32, data, len, want, NULL));
        assert_int_equal(pv_hmac(h, out, parts, 3), PV_OK);
        assert_memory_equal(out, want, sizeof(want));
    }

    /* one part that is longer than all that is short: nothing is put together that has no room */

    parts[0] = (pv_str_t) { data, sizeof(data) };
    assert_int_equal(pv_sha256(out, parts, 1), PV_OK);
    assert_int_equal(EVP_Digest(data, sizeof(data), want, NULL, EVP_sha256(), NULL), 1);
    assert_memory_equal(out, want, sizeof(want));

    pv_hmac_free(h);
}


/* RFC 8032, 7.1, tests 1 to 3 */

static void
test_ed25519(void **state)
{
    size_t         i, len;
    unsigned       bit;
    unsigned char  secret[32], pub[32], want[32], sig[64], want_sig[64], message[2];

    static const char *const  v[][4] = {
        { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
          "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
          "",
          "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
          "d25bf5f0595bbe24655141438e7a100b" },
        { "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
          "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
          "72",
          "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
          "387b2eaeb4302aeeb00d291612bb0c00" },
        { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
          "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
          "af82",
          "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
          "4a7c15e9716ed28dc027beceea1ec40a" }
    };

    (void) state;

    for (i = 0; i < 3; i++) {
        len = strlen(v[i][2]) / 2;
        unhex(secret, v[i][0]);
        unhex(want, v[i][1]);
        unhex(message, v[i][2]);
        unhex(want_sig, v[i][3]);

        assert_int_equal(pv_ed25519_public(pub, secret), PV_OK);
        assert_memory_equal(pub, want, 32);
        assert_int_equal(pv_ed25519_sign(sig, secret, message, len), PV_OK);
        assert_memory_equal(sig, want_sig, 64);
        assert_int_equal(pv_ed25519_verify(sig, pub, message, len), PV_OK);

        for (bit = 0; bit < 512; bit++) {
            sig[bit / 8] ^= 1u << bit % 8;
            assert_int_equal(pv_ed25519_verify(sig, pub, message, len), PV_INVALID);
            sig[bit / 8] ^= 1u << bit % 8;
        }
    }

    message[0] ^= 1;
    assert_int_equal(pv_ed25519_verify(sig, pub, message, 2), PV_INVALID);
    message[0] ^= 1;
    assert_int_equal(pv_ed25519_verify(sig, pub, message, 1), PV_INVALID);

    assert_int_equal(pv_ed25519_keygen(pub, secret), PV_OK);
    assert_int_equal(pv_ed25519_verify(sig, pub, message, 2), PV_INVALID);
    assert_int_equal(pv_ed25519_sign(sig, secret, message, 2), PV_OK);
    assert_int_equal(pv_ed25519_verify(sig, pub, message, 2), PV_OK);
}


static void
test_random_and_equal(void **state)
{
    unsigned char  a[32], b[32];

    (void) state;

    assert_int_equal(pv_random(a, 32), PV_OK);
    assert_int_equal(pv_random(b, 32), PV_OK);
    assert_false(pv_equal(a, b, 32));
    assert_true(pv_equal(a, a, 32));

    memcpy(b, a, 32);
    b[31] ^= 0x80;
    assert_false(pv_equal(a, b, 32));
    assert_true(pv_equal(a, b, 31));
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_ed25519),
        cmocka_unit_test(test_random_and_equal)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
