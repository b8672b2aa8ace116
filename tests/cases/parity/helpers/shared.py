import os
VALUE = os.environ.get('TEAM')
