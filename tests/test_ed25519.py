import pytest
from nacl.signing import SigningKey

from instances.ed25519 import is_public_key, verifies

# RFC 8032, section 7.1: tests 1, 2, 3 and SHA(abc). Public key, message, signature.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]
PRIME = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493


def encoded(y, sign=0):
    return (y | sign << 255).to_bytes(32, "little").hex()


# The eight points of small order, in their canonical encodings and in the others that decode to them.
OF_ORDER_EIGHT = int.from_bytes(
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"
)
SMALL_ORDER = [
    encoded(y, sign)
    for y in (0, 1, PRIME - 1, OF_ORDER_EIGHT, PRIME - OF_ORDER_EIGHT, PRIME, PRIME + 1)
    for sign in (0, 1)
]


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_it_verifies_the_rfcs_signatures(key, message, signature):
    assert is_public_key(key)
    assert verifies(key, signature, bytes.fromhex(message))
    assert verifies(key.upper(), signature.upper(), bytes.fromhex(message))
    assert not verifies(key, signature, bytes.fromhex(message) + b"x")


def test_it_refuses_another_keys_signature():
    assert not verifies(VECTORS[0][0], VECTORS[1][2], bytes.fromhex(VECTORS[1][1]))


def test_it_refuses_a_signature_with_any_bit_changed():
    key, message, signature = VECTORS[2]
    for bit in range(0, 512, 7):
        changed = bytearray.fromhex(signature)
        changed[bit // 8] ^= 1 << bit % 8
        assert not verifies(key, changed.hex(), bytes.fromhex(message))


def test_it_refuses_a_signature_whose_number_is_not_reduced():
    key, message, signature = VECTORS[0]
    number = int.from_bytes(bytes.fromhex(signature[64:]), "little") + ORDER

    assert not verifies(key, signature[:64] + number.to_bytes(32, "little").hex(), bytes.fromhex(message))


@pytest.mark.parametrize(
    "signature", ["", "00", "0" * 127, "0" * 129, "g" * 128, "0" * 127 + "\n", " " * 128, "٣" * 128, "é" * 128]
)
def test_it_takes_what_is_no_signature_for_a_bad_one(signature):
    assert not verifies(VECTORS[0][0], signature, b"")


@pytest.mark.parametrize("key", SMALL_ORDER)
def test_it_refuses_keys_of_small_order(key):
    assert not is_public_key(key)


def test_it_refuses_keys_that_are_not_canonical():
    # Each is the encoding of y + p where y itself is a point's.
    assert not any(is_public_key(encoded(PRIME + y, sign)) for y in range(19) for sign in (0, 1))


def test_it_refuses_keys_that_are_not_on_the_curve():
    assert not is_public_key(encoded(2))
    assert not is_public_key(encoded(7))


def test_it_refuses_keys_outside_of_the_prime_subgroup():
    # The base point has y = 4/5; plus the point of order two it is (-x, -y), whose order is twice the prime.
    y = PRIME - 4 * pow(5, -1, PRIME) % PRIME

    assert not is_public_key(encoded(y))
    assert is_public_key(encoded(PRIME - y))


@pytest.mark.parametrize("key", ["", "00", "0" * 63, "0" * 65, "z" * 64, " " + "0" * 63, "0" * 63 + "\n", "٣" * 64])
def test_it_refuses_what_is_no_key_at_all(key):
    assert not is_public_key(key)


def test_it_takes_every_key_that_is_generated():
    assert all(is_public_key(SigningKey.generate().verify_key.encode().hex()) for _ in range(50))
