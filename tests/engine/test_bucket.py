"""A store in a bucket of a local S3 server, behind a network that loses, cuts and delays."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.bad_network import FAULTS, proxied
from support.extras import importable
from support.stores import contents
from support.toys import Dear, Toy, Weights, make

from lox_bench.engine.graph import Graph
from lox_bench.engine.place import Place
from lox_bench.engine.remote import RemoteStore
from lox_bench.engine.stage import Stage
from lox_bench.engine.store import Store
from lox_bench.errors import StoreError

pytestmark = [
    pytest.mark.skipif(
        not {"s3fs", "moto"} <= importable("s3fs", "moto"),
        reason="needs the extra [s3] and moto[server]",
    ),
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),
]  # botocore's own
URL = "s3://bucket/lox"


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    from moto.server import ThreadedMotoServer

    served = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    served.start()
    yield served.get_host_and_port()
    served.stop()


@pytest.fixture
def bucket(server: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> tuple[str, int]:
    import boto3

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    host, port = server
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(Bucket="bucket")
    for item in client.list_objects_v2(Bucket="bucket").get("Contents", ()):
        client.delete_object(Bucket="bucket", Key=item["Key"])
    return server


def stages() -> list[Stage]:
    weights = [Weights(f"w{n}", (Dear("d"),)) for n in range(2)]
    return [Toy(f"{w.name}{n}", (w,)) for w in weights for n in range(2)]


def opened(root: Path, said: list[str] | None = None) -> RemoteStore:
    store = Place(root, URL).open((said if said is not None else []).append)
    assert isinstance(store, RemoteStore)
    return store


@pytest.mark.fault(30)
@pytest.mark.parametrize("kind", FAULTS)
def test_one_request_in_five_fails_and_the_store_is_whole(
    bucket: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    luck, said = random.Random(7), list[str]()
    alone = Store(tmp_path / "alone")
    make(alone, *stages())
    with proxied(bucket, lambda _: kind if luck.random() < 0.2 else "") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        here, there = opened(tmp_path / "here", said), opened(tmp_path / "there", said)
        make(here, *stages())
        for stage in stages():
            assert there.bring(stage) is not None
        with there.planning():
            assert Graph.of(stages()).missing(there) == ()
    assert proxy.tried[kind] > 5
    assert said == []
    assert contents(here) == contents(alone)
    tops = {name: data for name, data in contents(alone).items() if name.startswith("toy/")}
    assert {n: d for n, d in contents(there).items() if n.startswith("toy/")} == tops


@pytest.mark.fault(30, inputs=1)
def test_a_server_that_is_down_is_one_error_and_nothing_is_lost(
    bucket: tuple[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lox_bench.engine.depot._FIRST_WAIT_S", 0.0)
    down: list[bool] = []
    with proxied(bucket, lambda _: "500" if down else "") as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        store = opened(tmp_path / "here")
        make(store, Toy("first"))
        down.append(True)
        with pytest.raises(StoreError, match=r"cannot (read|write|list) s3://bucket/lox"):
            make(store, Toy("second"))
        down.clear()
        assert make(store, Toy("first"), Toy("second")).built in ([], ["second"])
        assert opened(tmp_path / "there").bring(Toy("second")) is not None
