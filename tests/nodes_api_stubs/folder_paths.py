"""Where ComfyUI keeps its files. Tests point its folders at temporary ones."""

from pathlib import Path

folder_names_and_paths = {}
models_dir = "models"
temp_directory = "temp"
input_directory = "input"
output_directory = "output"


def get_input_directory():
    return input_directory


def get_output_directory():
    return output_directory


def get_temp_directory():
    return temp_directory


def get_save_image_path(filename_prefix, output_dir, image_width=0, image_height=0):
    folder = Path(output_dir) / Path(filename_prefix).parent
    folder.mkdir(parents=True, exist_ok=True)
    name = Path(filename_prefix).name
    numbers = [int(path.name[len(name) + 1 :].split("_")[0]) for path in folder.glob(f"{name}_*")]
    subfolder = str(Path(filename_prefix).parent)
    return str(folder), name, max(numbers, default=0) + 1, subfolder, filename_prefix


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
