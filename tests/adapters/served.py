"""A served environment in a thread of the test's process."""

import threading
import time

from proxmo.adapters.openenv import ServedTasks, make_app
from proxmo.adapters.openenv.listening import listen, make_server


class Served:
    """A server on loopback, and the tasks it serves."""

    def __init__(self, spec, max_sessions, max_steps=8, **options):
        self.tasks = ServedTasks(spec, count=6)
        app = make_app(spec, self.tasks, max_sessions=max_sessions, max_steps=max_steps, **options)
        self.listener = listen("127.0.0.1", 0)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = make_server(app)
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))

    def __enter__(self):
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join()
        self.listener.close()
