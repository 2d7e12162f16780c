"""One at a time, in order, with a bound; the rest of the server answers meanwhile."""

import asyncio
import socket
import threading
import time

import httpx2 as httpx
import pytest

from maskrcnn.serving import Limits
from maskrcnn.serving.work_queue import Abandoned, QueueFull, WorkQueue


async def wanted():
    return False


async def gone():
    return True


def test_jobs_run_one_at_a_time_in_order():
    running, order = [], []

    def job(number, waited):
        running.append(number)
        assert running == [number] and threading.current_thread().name.startswith("detection")
        time.sleep(0.005)
        order.append(running.pop())
        return number, waited

    async def all_of_them():
        queue = WorkQueue(8)
        answers = await asyncio.gather(*(queue.run(lambda waited, n=n: job(n, waited), wanted) for n in range(6)))
        queue.close()
        return answers

    answers = asyncio.run(all_of_them())
    assert [number for number, _ in answers] == order == list(range(6))
    waits = [waited for _, waited in answers]
    assert waits == sorted(waits) and waits[-1] > 0.02


def test_a_job_that_fails_or_is_abandoned_lets_the_next_one_run():
    async def all_of_them():
        queue = WorkQueue(8)
        with pytest.raises(ZeroDivisionError):
            await queue.run(lambda waited: 1 / 0, wanted)
        with pytest.raises(Abandoned):
            await queue.run(lambda waited: pytest.fail("it was run"), gone)
        return await queue.run(lambda waited: 5, wanted)

    assert asyncio.run(all_of_them()) == 5


def test_places_are_bounded_and_given_back():
    queue = WorkQueue(2)
    with pytest.raises(ZeroDivisionError), queue.place(), queue.place():
        assert queue.taken == 2
        with pytest.raises(QueueFull) as full, queue.place():
            pass
        assert full.value.retry_after >= 1
        raise ZeroDivisionError
    assert queue.taken == 0


def test_a_full_queue_answers_503_and_the_server_goes_on_answering(written, app_of, live, photo):
    with live(app_of(written, Limits(places=3))) as url:
        written.go.clear()
        answers = []

        def ask():
            answers.append(httpx.post(f"{url}/detect", files={"image": photo()}, timeout=30).status_code)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: httpx.get(f"{url}/healthz").json()["waiting"] == 3)
        refused = httpx.post(f"{url}/detect", files={"image": photo()})
        assert refused.status_code == 503 and int(refused.headers["retry-after"]) >= 1
        assert "queue is full" in refused.json()["detail"]
        assert "maskrcnn_places_taken 3.0" in httpx.get(f"{url}/metrics").text
        written.go.set()
        for thread in threads:
            thread.join()
        assert answers == [200] * 3 and httpx.get(f"{url}/healthz").json()["waiting"] == 0


def until(fact, seconds=20):
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_work_for_a_client_who_has_gone_is_not_done(written, app_of, live, photo):
    with live(app_of(written)) as url:
        written.go.clear()
        first = threading.Thread(target=httpx.post, args=(f"{url}/detect",), kwargs={"files": {"image": photo()}})
        first.start()
        until(lambda: written.calls == 2)  # the warm-up, and this
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/detect", files={"image": photo()}, timeout=0.3)
        written.go.set()
        first.join()
        until(lambda: httpx.get(f"{url}/healthz").json()["waiting"] == 0)
        assert written.calls == 2
        assert 'status="499"' in httpx.get(f"{url}/metrics").text


def test_an_upload_that_does_not_go_on_loses_its_place(written, app_of, live):
    with live(app_of(written, Limits(upload_seconds=0.3))) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(
                b"POST /detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=a\r\n"
                b"Content-Length: 1000\r\n\r\n--a\r\n"
            )
            slow.settimeout(20)
            answer = b"".join(iter(lambda: slow.recv(4096), b""))  # until the server closes
        assert b" 408 " in answer.splitlines()[0] and b"did not arrive within 0.3 s" in answer
        assert httpx.get(f"{url}/healthz").json()["waiting"] == 0


def test_a_client_who_hangs_up_while_sending_leaves_no_trace(written, app_of, live, capfd):
    with live(app_of(written)) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as short:
            short.sendall(
                b"POST /detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=a\r\n"
                b"Content-Length: 1000\r\n\r\n--a\r\n"
            )
        until(lambda: 'status="499"' in httpx.get(f"{url}/metrics").text)
        assert httpx.get(f"{url}/healthz").json()["waiting"] == 0
    assert "Traceback" not in capfd.readouterr().err


def test_a_model_that_breaks_is_said_and_the_server_lives(written, app_of, live, photo):
    with live(app_of(written)) as url:
        works, written.detect = written.detect, lambda *arguments: 1 / 0
        broken = httpx.post(f"{url}/detect", files={"image": photo()})
        assert broken.status_code == 500 and "its log has the error" in broken.json()["detail"]
        written.detect = works
        assert httpx.post(f"{url}/detect", files={"image": photo()}).status_code == 200
