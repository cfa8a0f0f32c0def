"""Where ComfyUI keeps its files. Tests point its folders at temporary ones."""

from pathlib import Path

folder_names_and_paths = {}
models_dir = "models"
temp_directory = "temp"
input_directory = "input"


def get_input_directory():
    return input_directory


def get_temp_directory():
    return temp_directory


def add_model_folder_path(folder_name, full_folder_path, is_default=False):
    paths, _ = folder_names_and_paths.setdefault(folder_name, ([], set()))
    if full_folder_path not in paths:
        paths.insert(0 if is_default else len(paths), full_folder_path)


def get_filename_list(folder_name):
    paths, extensions = folder_names_and_paths[folder_name]
    files = {
        str(path.relative_to(folder)): path.suffix.lower()
        for folder in paths
        for path in Path(folder).rglob("*")
        if path.is_file()
    }
    return sorted(name for name, suffix in files.items() if not extensions or suffix in extensions)


def get_full_path(folder_name, filename):
    for folder in folder_names_and_paths.get(folder_name, ([], set()))[0]:
        path = Path(folder) / filename
        if path.is_file():
            return str(path)
    return None
