"""Progress, as far as a node sees it."""


class ProgressBar:
    #: Every bar that was made, for tests.
    made = []  # noqa: RUF012

    def __init__(self, total, node_id=None):
        self.total = total
        self.node_id = node_id
        self.current = 0
        self.previews = []
        ProgressBar.made.append(self)

    def update_absolute(self, value, total=None, preview=None):
        if total is not None:
            self.total = total
        self.current = min(value, self.total)
        if preview is not None:
            self.previews.append(preview)

    def update(self, value):
        self.update_absolute(self.current + value)
