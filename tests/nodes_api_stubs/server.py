"""The page's server, of which nodes see one method."""


class PromptServer:
    #: None where there is no page.
    instance = None

    def __init__(self):
        self.shown = []

    def send_progress_text(self, text, node_id, sid=None):
        self.shown.append((node_id, text))
